@0xd1a3f0c86f5b2e01;
# What every message shares: the header, and the words that several files use.

annotation room @0xa1c2e5f7b9d30411 (field) :UInt16;
# Bytes kept for a text in the flat layout, its closing NUL included. A text with room lies at a
# constant offset; the one text or list without room lies last. See schemas/README.md.

enum MessageType {
  # Which struct a message is. Numbers are for ever: append only.
  unspecified @0;
  trade @1;
  quote @2;
  bookDelta @3;
  bookSnapshot @4;
  instrumentDefinition @5;
  feedStatus @6;
  newOrder @7;
  cancelOrder @8;
  replaceOrder @9;
  massCancel @10;
  orderAccepted @11;
  orderRejected @12;
  orderCancelled @13;
  orderReplaced @14;
  orderExecuted @15;
  cancelRejected @16;
  accountLimits @17;
  killSwitch @18;
  serviceHealth @19;
  inputRefused @20;
  epochStarted @21;
  segmentHeader @22;
  orderTriggered @23;
  orderRestated @24;
  setInstrumentStatus @25;
  instrumentStatusChanged @26;
  auctionIndicated @27;
  limitStateChanged @28;
  advanceClock @29;
  bustTrade @30;
  correctTrade @31;
  tradeBusted @32;
  tradeCorrected @33;
  commandCompleted @34;
  fixReceived @35;
  fixSent @36;
  fixSubmitted @37;
  fixSessionChanged @38;
  venueReported @39;
  venueChanged @40;
  marketDefinition @41;
  newParent @42;
  replaceParent @43;
  cancelParent @44;
  newChild @45;
  replaceChild @46;
  cancelChild @47;
  parentChanged @48;
  parentRefused @49;
  parentMeasured @50;
  sliceScheduled @51;
  routeDecided @52;
  volumeProfile @53;
  apiReceived @54;
  apiAnswered @55;
  venueDiffered @56;
  relayOpened @57;
  relayChunk @58;
  relayPosition @59;
  askCore @60;
  coreAnswered @61;
}

struct Header {
  # Lies at byte 16 of every flat message, whatever its struct.
  seq @0 :UInt64;
  # Position on the tape, contiguous from 1. Zero until sequenced.
  cause @1 :UInt64;
  # The seq of the command that an event results from; zero for a command and for market data.
  ts @2 :Int64;
  # UTC ns, stamped once by the sequencer. Events carry the ts of their command.
  tsEvent @3 :Int64;
  # UTC ns at the origin: the venue's own time, or the client's. Zero where it has none.
  tsRecv @4 :Int64;
  # UTC ns at our edge: the socket read, or the write into the producer's ring.
  originSeq @5 :UInt64;
  # The number it had where it came from: the position in its producer's ring for a command, the
  # venue's own sequence or update id for market data.
  type @6 :MessageType;
  source @7 :UInt16;
  # The producer: the number of the inbound ring for a command, the feed's number for market data.
  instrument @8 :UInt32;
  # Dense id of the instrument within its feed or shard, from 1; zero where no instrument is meant.
}

enum Side {
  unspecified @0;
  buy @1;
  sell @2;
}

enum BookQuality {
  # How far the book behind a message can be trusted.
  unspecified @0;
  live @1;
  resync @2;
  stale @3;
  crossed @4;
}

enum RejectReason {
  # Why a command was refused, by risk or by the matcher. Numbers are for ever.
  unspecified @0;
  # Not refused.
  unknownInstrument @1;
  instrumentHalted @2;
  unknownAccount @3;
  killSwitch @4;
  invalidQty @5;
  # Not positive, not a multiple of the lot, or above the instrument's maximum (value, limit).
  invalidPrice @6;
  # Not positive, out of the instrument's range (value, limit).
  offTick @7;
  # Not a multiple of the tick (value, tick).
  maxOrderQty @8;
  # Above the account's largest order (value, limit).
  maxNotional @9;
  # price x qty above the account's limit (value, limit).
  maxPosition @10;
  # Position if everything open on that side filled, above the limit (value, limit).
  priceCollar @11;
  # Outside the collar around the reference (value, nearest allowed price).
  staleClOrdId @12;
  # Not above the last ClOrdID of this source and account: a duplicate or out of order (value, last).
  unknownOrder @13;
  # Never existed or no longer live (orderId, 0).
  notYourOrder @14;
  wouldCross @15;
  # Post-only, but would take liquidity (price, best opposite price).
  wouldNotFill @16;
  # Fill-or-kill, but less is available (qty, available).
  noLiquidity @17;
  # A market order met an empty book.
  invalidField @18;
  # An enumerant that is unknown or does not fit the order (value, 0).
  capacity @19;
  # A bound of the platform is reached: live orders, instruments, accounts (value, limit).
  marketDataStale @20;
  # The book it is priced off is not live.
  instrumentExists @21;
  wrongStatus @22;
  # Not possible while the instrument is in this status (what was asked for, the status).
  priceBand @23;
  # Beyond the price band (value, the band's edge).
  wouldTrigger @24;
  # A stop whose price the last trade has already reached (stopPx, last).
  unknownTrade @25;
  # No such trade, or it was busted, or stands differently by now (matchId, next matchId).
  notPermitted @26;
  # This producer may not send such a command (message type, source).
}
