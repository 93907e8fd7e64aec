@0x8a41c9d3e7f05b06;
# The tape's envelope. A tape is a folder of segments; a segment is a sequence of frames; a frame is
#
#      0        4        8     10    12       16                        length rounded up to 8
#      | length | crc32c | type| flg | index  | one flat message ...  | zeros |
#
#   length   u32   bytes of the message, without this 16-byte head; 0 = nothing written here yet
#   crc32c   u32   Castagnoli, over length, type, flags, index and the message
#   type     u16   MessageType, so that a reader can skip without looking inside
#   flags    u16   bit 0: written by a writer whose durability is `disk`; bit 1: padding up to the segment's end
#   index    u32   place of the record in its batch, from 0. A later frame whose seq - index lies above
#                  a damaged seq proves that the damaged record had been synced: damage, not a torn tail
#
# The first frame of a segment holds a SegmentHeader, whose header.seq is 0.

using Common = import "common.capnp";

struct SegmentHeader {
  header @0 :Common.Header;
  magic @1 :UInt64;
  # "TAPEWIRE", little endian.
  version @2 :UInt32;
  segmentBytes @3 :UInt64;
  firstSeq @4 :UInt64;
  basePosition @5 :UInt64;
  # The tape position (bytes since the tape began) of this segment's byte 0.
  epoch @6 :UInt64;
  tape @7 :Text $Common.room(64);
}
