@0xf08a57be6d2c1905;
# Operations: what services say about themselves.

using Common = import "common.capnp";

enum HealthState {
  unspecified @0;
  starting @1;
  ready @2;
  degraded @3;
  draining @4;
}

struct ServiceHealth {
  header @0 :Common.Header;
  pid @1 :UInt32;
  state @2 :HealthState;
  service @3 :Text $Common.room(32);
  detail @4 :Text;
}

enum RefusalReason {
  unspecified @0;
  malformed @1;
  # Not a flat message, truncated, or its pointers do not fit.
  unknownType @2;
  notACommand @3;
  tooLong @4;
}

struct InputRefused {
  # A ring record the engine could not take as a command. header.source and originSeq say where it lay.
  header @0 :Common.Header;
  length @1 :UInt32;
  typeFound @2 :UInt16;
  reason @3 :RefusalReason;
}

struct EpochStarted {
  # A writer took over the tape. Epochs only rise; a writer of an older epoch must not append.
  header @0 :Common.Header;
  epoch @1 :UInt64;
  resumedSeq @2 :UInt64;
  # The last seq found on the tape when this writer opened it.
  pid @3 :UInt32;
  version @4 :Text $Common.room(16);
}
