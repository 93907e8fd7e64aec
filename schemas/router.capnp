@0xe81d06b35c9a4f27;
# Parent orders, their children at venues, and why. On the tape `router.<name>`, which alone holds all that the router was
# told (clients' commands, time, markets, venues' reports, each once and in one order) and, behind each of these, what
# followed from it (header.cause). Prices and quantities are mantissas at the exponents of the router's instrument.

using Common = import "common.capnp";
using Orders = import "orders.capnp";
using Venue = import "venue.capnp";

enum Algorithm {
  unspecified @0;
  sweep @1;
  # At once, over all venues, never worse than the limit; what is left rests at the best venue, or is cancelled (IOC).
  twap @2;
  vwap @3;
  pov @4;
  iceberg @5;
  shortfall @6;
}

enum ParentState {
  unspecified @0;
  waiting @1;
  # For its start time.
  working @2;
  cancelling @3;
  # Its children are being cancelled; no new ones.
  filled @4;
  cancelled @5;
  expired @6;
  # Its end time is over, and its children are done.
  suspended @7;
  # No venue can take it now, or its price limit keeps it from trading.
}

enum Unusable {
  # Why a venue was not considered.
  unspecified @0;
  # It was.
  excluded @1;
  # By the parent, or nobody defined a market there.
  down @2;
  stale @3;
  # Its book is not live.
  crossed @4;
  beyondLimit @5;
  tooSmall @6;
  # Less is shown, or left to do, than one lot or its smallest order.
}

struct MarketDefinition {
  # How one instrument is traded at one venue. Put on the tape when the configuration says so; replay needs no file.
  header @0 :Common.Header;
  venue @1 :UInt16;
  makerFee @2 :Int32;
  takerFee @3 :Int32;
  # In 1/100 of a basis point of the notional; negative is received.
  tickSize @4 :Int64;
  lotSize @5 :Int64;
  minQty @6 :Int64;
  maxQty @7 :Int64;
  # 0: none.
  name @8 :Text $Common.room(16);
  # The venue's name, as in VenueChanged.
  ticker @9 :Text $Common.room(32);
  # Ours.
  symbol @10 :Text;
  # The venue's.
}

struct ProfileBucket {
  qty @0 :Int64;
}

struct VolumeProfile {
  # How an instrument's volume spreads over a day, from history. On the tape before the first parent that is worked by it.
  header @0 :Common.Header;
  bucketNs @1 :UInt64;
  # Length of a bucket; the first begins at 00:00 UTC, and together they are a day.
  days @2 :UInt32;
  # How many days it is made of.
  ticker @3 :Text $Common.room(32);
  buckets @4 :List(ProfileBucket);
}

struct NewParent {
  header @0 :Common.Header;
  parentId @1 :UInt64;
  # Given by the router, dense from 1; zero on submission.
  clOrdId @2 :UInt64;
  # The client's number for this command; strictly rising per source and account.
  account @3 :UInt32;
  side @4 :Common.Side;
  algorithm @5 :Algorithm;
  timeInForce @6 :Orders.TimeInForce;
  # Of a sweep: ioc, or day; else unspecified.
  decision @7 :Common.RejectReason;
  # Written by the router when it takes the command, as are value and limit, seed and parentId.
  qty @8 :Int64;
  limitPrice @9 :Int64;
  # Never worse than this; 0: none.
  startTime @10 :Int64;
  endTime @11 :Int64;
  # UTC ns; 0: now, none. TWAP, VWAP and shortfall need an end.
  participation @12 :UInt32;
  # POV's aim, in 1/10,000 of the market's volume.
  maxParticipation @13 :UInt32;
  # Never more than this of the market's volume since the start; 0: no bound.
  displayQty @14 :Int64;
  # Of an iceberg: how much it shows at a time.
  interval @15 :Int64;
  # ns between slices; 0: the algorithm's own.
  randomness @16 :UInt32;
  # How far a slice's time and quantity may differ from the even ones, in 1/10,000 of them.
  urgency @17 :UInt32;
  # Of a shortfall: 0 patient to 10,000 at once.
  seed @18 :UInt64;
  # Of its random numbers; 0 on submission: the router takes the parentId.
  value @19 :Int64;
  limit @20 :Int64;
  # With a decision: the two numbers compared.
  venues @21 :UInt64;
  # Bit n: venue number n may be used. 0: all.
  session @22 :UInt32;
  clientText @23 :Text;
  traceHigh @24 :UInt64;
  traceLow @25 :UInt64;
  traceFlags @26 :UInt8;
  # As in NewOrder; its orders at the house market carry them on.
}

struct ReplaceParent {
  # All of it as it shall be from now on; 0 keeps a field.
  header @0 :Common.Header;
  parentId @1 :UInt64;
  clOrdId @2 :UInt64;
  account @3 :UInt32;
  decision @4 :Common.RejectReason;
  qty @5 :Int64;
  limitPrice @6 :Int64;
  endTime @7 :Int64;
  participation @8 :UInt32;
  maxParticipation @9 :UInt32;
  value @10 :Int64;
  limit @11 :Int64;
  clientText @12 :Text;
}

struct CancelParent {
  header @0 :Common.Header;
  parentId @1 :UInt64;
  clOrdId @2 :UInt64;
  account @3 :UInt32;
  decision @4 :Common.RejectReason;
  clientText @5 :Text;
}

struct NewChild {
  # To a venue. The session to it follows the router's tape and sends each once.
  header @0 :Common.Header;
  childId @1 :UInt64;
  # Dense from 1 per router, and what its ClOrdID is made of.
  parentId @2 :UInt64;
  venue @3 :UInt16;
  side @4 :Common.Side;
  ordType @5 :Orders.OrdType;
  timeInForce @6 :Orders.TimeInForce;
  postOnly @7 :Bool;
  price @8 :Int64;
  qty @9 :Int64;
  displayQty @10 :Int64;
  account @11 :UInt32;
  route @12 :UInt64;
  # Seq of the RouteDecided that it comes from.
  ticker @13 :Text $Common.room(32);
  # Ours.
}

struct ReplaceChild {
  header @0 :Common.Header;
  childId @1 :UInt64;
  parentId @2 :UInt64;
  venue @3 :UInt16;
  request @4 :UInt64;
  # Number of this request: dense from 1 per router over ReplaceChild and CancelChild.
  price @5 :Int64;
  qty @6 :Int64;
}

struct CancelChild {
  header @0 :Common.Header;
  childId @1 :UInt64;
  parentId @2 :UInt64;
  venue @3 :UInt16;
  request @4 :UInt64;
}

struct ParentChanged {
  # A parent as it stands after its cause.
  header @0 :Common.Header;
  parentId @1 :UInt64;
  clOrdId @2 :UInt64;
  # Of the client's command that led to it; 0: none did.
  account @3 :UInt32;
  state @4 :ParentState;
  children @5 :UInt32;
  # That live.
  qty @6 :Int64;
  cumQty @7 :Int64;
  leavesQty @8 :Int64;
  openQty @9 :Int64;
  # Of it, what stands at venues.
  notionalHigh @10 :Int64;
  notionalLow @11 :UInt64;
  # Sum of price x quantity of its executions, 128 bits: what its average price follows from.
  lastPrice @12 :Int64;
  lastQty @13 :Int64;
  # Of the execution, bust (negative) or restatement that led to it.
  childId @14 :UInt64;
  reason @15 :Text;
}

struct ParentRefused {
  # Answers a NewParent, ReplaceParent or CancelParent that could not be carried out.
  header @0 :Common.Header;
  parentId @1 :UInt64;
  clOrdId @2 :UInt64;
  account @3 :UInt32;
  reason @4 :Common.RejectReason;
  command @5 :Common.MessageType;
  value @6 :Int64;
  limit @7 :Int64;
  text @8 :Text;
}

struct ParentMeasured {
  # Progress and cost against benchmarks since the parent's start, at its slices and executions.
  header @0 :Common.Header;
  parentId @1 :UInt64;
  scheduledQty @2 :Int64;
  # What its schedule has asked for by now.
  cumQty @3 :Int64;
  marketQty @4 :Int64;
  # Traded by everybody at its venues since its start.
  participation @5 :UInt32;
  # cumQty of marketQty, in 1/10,000.
  arrival @6 :Int64;
  twap @7 :Int64;
  vwap @8 :Int64;
  # Benchmark prices, in 1/1,000 of the price mantissa, rounded down; 0: none yet.
  average @9 :Int64;
  # Its own, in the same unit.
  versusArrival @10 :Int64;
  versusTwap @11 :Int64;
  versusVwap @12 :Int64;
  # Slippage in 1/100 of a basis point; positive is worse than the benchmark.
  fees @13 :Int64;
  # At feeExponent of the price plus quantity; only those in the quote currency.
}

struct SliceScheduled {
  # The next slice, random draw included.
  header @0 :Common.Header;
  parentId @1 :UInt64;
  number @2 :UInt32;
  # From 1.
  slices @3 :UInt32;
  # How many there will be; 0: not known.
  due @4 :Int64;
  # UTC ns.
  qty @5 :Int64;
  totalQty @6 :Int64;
  # What will have been asked for with it.
}

struct VenueScore {
  # Why a venue got how much. Learned figures are as of the decision.
  price @0 :Int64;
  # What it shows on the other side, within the limit; 0: nothing.
  size @1 :Int64;
  fee @2 :Int32;
  # In 1/100 basis point.
  fillRate @3 :UInt32;
  rejectRate @4 :UInt32;
  # In 1/10,000.
  latency @5 :UInt64;
  # ns to the first answer, smoothed.
  score @6 :Int64;
  # Effective price in 1/1,000 of the mantissa, lower is better to a buyer, higher to a seller.
  qty @7 :Int64;
  # What it was given.
  venue @8 :UInt16;
  state @9 :Venue.VenueState;
  unusable @10 :Unusable;
}

struct RouteDecided {
  header @0 :Common.Header;
  parentId @1 :UInt64;
  slice @2 :UInt32;
  # 0: outside of a schedule.
  side @3 :Common.Side;
  passive @4 :Bool;
  # Whether it is to rest, or to take.
  qty @5 :Int64;
  limitPrice @6 :Int64;
  unrouted @7 :Int64;
  # What no venue could take.
  venues @8 :List(VenueScore);
}
