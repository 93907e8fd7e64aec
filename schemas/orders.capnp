@0xe25b81c4d07f9a03;
# Orders: commands in the imperative, events in the past tense. FIX words throughout.

using Common = import "common.capnp";

enum OrdType {
  unspecified @0;
  limit @1;
  market @2;
}

enum TimeInForce {
  unspecified @0;
  day @1;
  gtc @2;
  ioc @3;
  fok @4;
}

enum CancelReason {
  unspecified @0;
  requested @1;
  massCancel @2;
  immediateOrCancel @3;
  killSwitch @4;
  marketRemainder @5;
  disconnected @6;
  selfTrade @7;
}

struct NewOrder {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  # Given by the sequencer, dense from 1; zero on submission.
  clOrdId @2 :UInt64;
  # The client's number for this command; strictly rising per source and account.
  price @3 :Int64;
  # Mantissa at the instrument's exponent. A market order is submitted with 0; the engine writes its
  # protection price here when it sequences it, so that replay needs no collar of its own.
  qty @4 :Int64;
  account @5 :UInt32;
  side @6 :Common.Side;
  ordType @7 :OrdType;
  timeInForce @8 :TimeInForce;
  decision @9 :Common.RejectReason;
  # Risk's answer, written by the engine when it sequences the command; replay does not decide again.
  postOnly @10 :Bool;
  clientText @11 :Text;
  # What the client calls the order (FIX ClOrdID as text), up to 39 bytes; only carried.
}

struct CancelOrder {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  account @3 :UInt32;
  decision @4 :Common.RejectReason;
  clientText @5 :Text;
}

struct ReplaceOrder {
  # New price and total quantity (OrderQty, not LeavesQty) of a live order.
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  price @3 :Int64;
  qty @4 :Int64;
  account @5 :UInt32;
  decision @6 :Common.RejectReason;
  clientText @7 :Text;
}

struct MassCancel {
  # Cancels the live orders that fit all that is given: account 0 = every account,
  # header.instrument 0 = every instrument, side unspecified = both.
  header @0 :Common.Header;
  clOrdId @1 :UInt64;
  account @2 :UInt32;
  side @3 :Common.Side;
  decision @4 :Common.RejectReason;
  reason @5 :CancelReason;
  # Why: requested, disconnected, killSwitch.
}

struct OrderAccepted {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  price @3 :Int64;
  qty @4 :Int64;
  account @5 :UInt32;
  side @6 :Common.Side;
  ordType @7 :OrdType;
  timeInForce @8 :TimeInForce;
}

struct OrderRejected {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  value @3 :Int64;
  limit @4 :Int64;
  # The two numbers compared, in the order the reason's comment names them.
  account @5 :UInt32;
  reason @6 :Common.RejectReason;
}

struct OrderCancelled {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  # Of the command that cancelled; zero where the venue did it.
  price @3 :Int64;
  cancelledQty @4 :Int64;
  cumQty @5 :Int64;
  account @6 :UInt32;
  side @7 :Common.Side;
  reason @8 :CancelReason;
}

struct OrderReplaced {
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  price @3 :Int64;
  qty @4 :Int64;
  leavesQty @5 :Int64;
  oldPrice @6 :Int64;
  oldLeavesQty @7 :Int64;
  account @8 :UInt32;
  side @9 :Common.Side;
  priorityKept @10 :Bool;
}

struct OrderExecuted {
  # One match: both sides in one record. LastPx = price, LastQty = qty.
  header @0 :Common.Header;
  matchId @1 :UInt64;
  # Dense from 1 per shard.
  makerOrderId @2 :UInt64;
  takerOrderId @3 :UInt64;
  price @4 :Int64;
  qty @5 :Int64;
  makerLeavesQty @6 :Int64;
  takerLeavesQty @7 :Int64;
  makerAccount @8 :UInt32;
  takerAccount @9 :UInt32;
  aggressor @10 :Common.Side;
}

struct CancelRejected {
  # Answers a CancelOrder, ReplaceOrder or MassCancel that could not be carried out (FIX 9).
  header @0 :Common.Header;
  orderId @1 :UInt64;
  clOrdId @2 :UInt64;
  value @3 :Int64;
  limit @4 :Int64;
  account @5 :UInt32;
  reason @6 :Common.RejectReason;
}
