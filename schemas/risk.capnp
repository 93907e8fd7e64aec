@0x9c6d2ef31b8a4704;
# Risk: commands of the operator. Decisions on orders are in orders.capnp, beside what they decide on.

using Common = import "common.capnp";
using Orders = import "orders.capnp";

struct AccountLimits {
  # Opens an account or replaces its limits. 0 means the platform's bound.
  header @0 :Common.Header;
  maxOrderQty @1 :Int64;
  maxNotional @2 :Int64;
  # Of one order: price x qty, in units of 10^(priceExponent + qtyExponent).
  maxPosition @3 :Int64;
  # Per instrument and direction, open orders counted as filled.
  account @4 :UInt32;
  decision @5 :Common.RejectReason;
  selfTradeGroup @6 :UInt32;
  # Accounts of one group do not trade with each other; 0: the account alone is its group.
  selfTrade @7 :Orders.SelfTrade;
  # What its orders do that do not say: unspecified means allow.
}

struct KillSwitch {
  # Refuses new and replaced orders of one account (0 = all) until released.
  header @0 :Common.Header;
  account @1 :UInt32;
  engaged @2 :Bool;
  cancelOpen @3 :Bool;
  # Also cancels what is live.
  decision @4 :Common.RejectReason;
  reason @5 :Text;
}
