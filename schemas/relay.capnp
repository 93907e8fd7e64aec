@0xe2b86d1f40a7935c;
# The relay: the records of one producer's ring on their way to the host of the engine (or router) that takes them.
# Positions are those of the ring, and the same on both sides.

using Common = import "common.capnp";

enum RelayVerdict {
  unspecified @0;
  taken @1;
  # All that was sent is in the ring, up to `position`.
  full @2;
  # The ring took the records up to `position` and has no room for the next.
  gap @3;
  # The chunk begins behind `position`; nothing was taken.
  closed @4;
  # The session is not open here (any more): RelayOpened first.
  busy @5;
  # Another relay carries this producer's records, and was heard a moment ago.
  notListed @6;
  # Nobody of that name is expected here.
  otherRing @7;
  # The ring here has another name (env, shard, place) or capacity, or went on from other records; `detail` says which.
  damaged @8;
  # The chunk's checksum does not hold, or its records do not end where they should; nothing was taken.
}

struct RelayOpened {
  # Asks to carry the records of a ring, and where to go on.
  header @0 :Common.Header;
  # source: the place of the producer in the configuration.
  session @1 :UInt64;
  # Repeated in every chunk and answer: what belongs to an earlier session is passed over.
  ringId @2 :UInt64;
  # Of the ring that is read; 0: there is none yet, and it is only asked where it would go on.
  capacity @3 :UInt64;
  head @4 :UInt64;
  tail @5 :UInt64;
  # What the ring that is read still holds; 0 where there is none.
  ring @6 :Text;
  # `<env>/orders.<shard>.<place>.<producer>`, or `<env>/router.<number>.<place>.<client>`.
}

struct RelayChunk {
  # Records of one ring, in order. Behind this message, up to the end of the payload, they lie as in the ring: length
  # UInt32, zero UInt32, the record, zeros up to a multiple of 8.
  header @0 :Common.Header;
  session @1 :UInt64;
  position @2 :UInt64;
  # Where the first of them is written: just past the record before it.
  end @3 :UInt64;
  # Just past the last of them.
  check @4 :UInt32;
  # CRC32 of what lies behind this message.
}

struct RelayPosition {
  # What became of a RelayOpened or a RelayChunk.
  header @0 :Common.Header;
  session @1 :UInt64;
  # Of what it answers.
  epoch @2 :UInt64;
  # Of the tape on this host: of two hosts that answer, the later epoch has the engine.
  position @3 :UInt64;
  # Just past the last record that is in the ring here.
  verdict @4 :RelayVerdict;
  takenBy @5 :UInt64;
  # Of an answer to RelayOpened: the last record of the tape here when all of the ring was on it; 0: not all is yet.
  detail @6 :Text;
}
