@0xb7e40d1f9a6c3502;
# Market data, the same for every feed. Prices and quantities are integers: value = mantissa x 10^exponent.

using Common = import "common.capnp";

struct Trade {
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  tradeId @2 :UInt64;
  price @3 :Int64;
  qty @4 :Int64;
  priceExponent @5 :Int8;
  qtyExponent @6 :Int8;
  aggressor @7 :Common.Side;
  quality @8 :Common.BookQuality;
}

struct Quote {
  # Top of book. A side without orders has price 0 and quantity 0.
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  bidPrice @2 :Int64;
  bidQty @3 :Int64;
  askPrice @4 :Int64;
  askQty @5 :Int64;
  bookSeq @6 :UInt64;
  # The instrument's book sequence this top belongs to.
  priceExponent @7 :Int8;
  qtyExponent @8 :Int8;
  quality @9 :Common.BookQuality;
}

struct BookLevel {
  price @0 :Int64;
  qty @1 :Int64;
  # The level's whole quantity after the change; 0 removes it.
  orders @2 :UInt32;
  # How many orders make it up; 0 where the venue does not say.
  side @3 :Common.Side;
}

struct BookDelta {
  # Changes that belong together: the book is consistent before the first and after the last.
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  bookSeq @2 :UInt64;
  # Contiguous per instrument and feed; a snapshot carries the bookSeq it stands at.
  priceExponent @3 :Int8;
  qtyExponent @4 :Int8;
  quality @5 :Common.BookQuality;
  levels @6 :List(BookLevel);
}

struct BookSnapshot {
  # The whole book as published: bids from the best down, then asks from the best up.
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  bookSeq @2 :UInt64;
  priceExponent @3 :Int8;
  qtyExponent @4 :Int8;
  quality @5 :Common.BookQuality;
  levels @6 :List(BookLevel);
}

enum InstrumentStatus {
  unspecified @0;
  trading @1;
  halted @2;
  closed @3;
  openingAuction @4;
  closingAuction @5;
  haltAuction @6;
  # Orders are collected after a halt or a volatility pause, to be uncrossed when trading resumes.
  delisted @7;
  # All orders cancelled; the instrument is known no longer.
}

enum StatusReason {
  unspecified @0;
  requested @1;
  schedule @2;
  priceBand @3;
  # A limit state has lasted too long, or the pause that followed is over.
  news @4;
  marketWide @5;
}

enum LimitState {
  unspecified @0;
  normal @1;
  limitUp @2;
  # The best bid stands at the band's upper edge: nobody may sell or buy higher.
  limitDown @3;
}

struct InstrumentDefinition {
  # Binds header.instrument to a ticker. On an orders tape it is a command of the operator.
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  tickSize @2 :Int64;
  # Mantissa at priceExponent; every price is a multiple of it.
  lotSize @3 :Int64;
  # Mantissa at qtyExponent; every quantity is a multiple of it.
  maxQty @4 :Int64;
  # Largest quantity of one order; 0 means the platform's bound.
  minPrice @5 :Int64;
  maxPrice @6 :Int64;
  # Both inclusive; 0 means the platform's bound.
  referencePrice @7 :Int64;
  # Where the price collar starts from before the first trade; 0 means none.
  collarBps @8 :UInt32;
  # Width of the price collar around the reference, in 1/10,000; 0 means no collar.
  priceExponent @9 :Int8;
  qtyExponent @10 :Int8;
  status @11 :InstrumentStatus;
  decision @12 :Common.RejectReason;
  # On an orders tape: the engine's answer to this command.
  staticBandBps @13 :UInt32;
  # Price band around the static reference (referencePrice, then each auction's price), in 1/10,000; 0: none.
  dynamicBandBps @14 :UInt32;
  # Price band around the last trade before a command, in 1/10,000; 0: none.
  limitStateMs @15 :UInt32;
  # How long a limit state may last before the instrument pauses; 0: for ever.
  pauseMs @16 :UInt32;
  # How long such a pause collects orders before trading resumes; 0: until commanded.
}

struct SetInstrumentStatus {
  # Command of the operator: halt, resume, open, close, call an auction, delist.
  header @0 :Common.Header;
  # header.instrument 0: every instrument (a market-wide halt).
  status @1 :InstrumentStatus;
  reason @2 :StatusReason;
  decision @3 :Common.RejectReason;
  resumeTime @4 :Int64;
  # UTC ns at which trading resumes by itself; 0: when commanded.
}

struct InstrumentStatusChanged {
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  # On an orders tape empty: header.instrument says it.
  auctionPrice @2 :Int64;
  auctionQty @3 :Int64;
  # What an auction that ended here has traded, and at what price; 0 if none did.
  resumeTime @4 :Int64;
  priceExponent @5 :Int8;
  qtyExponent @6 :Int8;
  status @7 :InstrumentStatus;
  oldStatus @8 :InstrumentStatus;
  reason @9 :StatusReason;
}

struct AuctionIndicated {
  # What the auction would trade if it ended now. All zero: nothing.
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  price @2 :Int64;
  qty @3 :Int64;
  imbalanceQty @4 :Int64;
  # What would be left over at that price.
  priceExponent @5 :Int8;
  qtyExponent @6 :Int8;
  imbalanceSide @7 :Common.Side;
}

struct LimitStateChanged {
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  lowerPrice @2 :Int64;
  upperPrice @3 :Int64;
  # The band's edges; 0: none on that side.
  priceExponent @4 :Int8;
  qtyExponent @5 :Int8;
  state @6 :LimitState;
}

struct AdvanceClock {
  # Command of the engine itself: its time has passed `upTo`. What is due by then happens here, so that the core needs
  # no clock: orders expire, a limit state becomes a pause, a pause ends.
  header @0 :Common.Header;
  upTo @1 :Int64;
  decision @2 :Common.RejectReason;
}

enum FeedState {
  unspecified @0;
  connecting @1;
  live @2;
  resync @3;
  stale @4;
  down @5;
}

struct FeedStatus {
  # A feed as a whole (empty ticker) or one instrument of it changed its state.
  header @0 :Common.Header;
  ticker @1 :Text $Common.room(32);
  gaps @2 :UInt64;
  resyncs @3 :UInt64;
  dropped @4 :UInt64;
  # Messages not published because the ring was full; since the feed started, like the two above.
  state @5 :FeedState;
  quality @6 :Common.BookQuality;
  reason @7 :Text;
}
