@0x9c3f5a7be2d41806;
# Outside venues: what a venue said of our orders, and how our session to it stands. On the tape `venue.<name>`, beside
# the bytes they came from (`FixReceived`, `FixSent`, `FixSessionChanged`: of session 1, order entry, and of session 2, drop
# copy), and from there on the router's.
# Prices and quantities are mantissas at the exponents of the router's instrument (header.instrument).

using Common = import "common.capnp";

enum VenueReportKind {
  unspecified @0;
  pending @1;
  # Received by the venue, not yet accepted (FIX 150=A, 6, E).
  accepted @2;
  rejected @3;
  executed @4;
  # lastPrice, lastQty, execId.
  replaced @5;
  cancelled @6;
  expired @7;
  # Done for the day, expired, or what an IOC order left.
  cancelRejected @8;
  replaceRejected @9;
  busted @10;
  # refExecId names the execution that did not happen; lastPrice and lastQty are its own.
  corrected @11;
  # refExecId names the execution that happened at lastPrice and lastQty instead.
  restated @12;
  # The order stands differently than what was reported would make it: cumQty, leavesQty and status are what is now.
  unknown @13;
  # The venue does not know the order.
}

enum ReportOrigin {
  unspecified @0;
  live @1;
  resent @2;
  # PossDupFlag or PossResend.
  reconciled @3;
  # Answer to our own question after a disconnect.
  dropCopy @4;
  # Told by the drop-copy session before, or in place of, the order-entry session.
}

enum Liquidity {
  unspecified @0;
  added @1;
  removed @2;
  auction @3;
}

enum VenueState {
  unspecified @0;
  down @1;
  reconciling @2;
  # Logged on; open orders are being compared with what the venue says of them.
  ready @3;
}

struct VenueReported {
  # One thing that a venue said of one order; each execution once, whatever is repeated.
  header @0 :Common.Header;
  # tsEvent: the venue's TransactTime. On the router's tape originSeq is the record's seq on the venue's tape.
  childId @1 :UInt64;
  # Of the router's child order; 0: an order that is not ours.
  venue @2 :UInt16;
  kind @3 :VenueReportKind;
  origin @4 :ReportOrigin;
  side @5 :Common.Side;
  liquidity @6 :Liquidity;
  live @7 :Bool;
  # Whether the order still stands at the venue after it.
  received @8 :UInt64;
  # Seq of the FixReceived on the venue's tape that it came in; 0: none (it follows from several, or from silence).
  # Of the house market: seq on the router's tape of the request that it answers; 0: it answers none.
  price @9 :Int64;
  # The order's limit after it; 0: none or not said.
  qty @10 :Int64;
  # OrderQty after it.
  leavesQty @11 :Int64;
  cumQty @12 :Int64;
  lastPrice @13 :Int64;
  # Of an execution; 0 of a restatement whose price the venue does not say.
  lastQty @14 :Int64;
  # Of a restatement: by how much cumQty differs from what was reported before; it may be negative.
  fee @15 :Int64;
  # Positive is paid, negative received; 0: none or not said.
  feeExponent @16 :Int8;
  feeCurrency @17 :Text $Common.room(16);
  orderId @18 :Text $Common.room(48);
  # The venue's own (FIX 37).
  execId @19 :Text $Common.room(48);
  refExecId @20 :Text $Common.room(48);
  code @21 :UInt32;
  # The venue's number for the reason (FIX 103, 102, or its own).
  reason @22 :Text;
}

struct VenueChanged {
  # How a session to a venue stands.
  header @0 :Common.Header;
  venue @1 :UInt16;
  state @2 :VenueState;
  open @3 :UInt32;
  # Orders that stand there as far as we know.
  restated @4 :UInt32;
  # Of `ready`: how many orders the venue told otherwise than we had them.
  name @5 :Text $Common.room(16);
  reason @6 :Text;
}

struct VenueDiffered {
  # Order entry and drop copy do not say the same of one execution. Nothing follows from it: what was reported first
  # stands, and somebody must look.
  header @0 :Common.Header;
  childId @1 :UInt64;
  venue @2 :UInt16;
  received @3 :UInt64;
  # Seq of the FixReceived that says otherwise; 0: one of them has not said it at all.
  price @4 :Int64;
  qty @5 :Int64;
  # As reported (VenueReported), which stands.
  otherPrice @6 :Int64;
  otherQty @7 :Int64;
  # As the other session has it; 0: it has not said it.
  orderId @8 :Text $Common.room(48);
  execId @9 :Text $Common.room(48);
  reason @10 :Text;
}
