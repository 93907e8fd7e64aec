@0xc4d27be1905f3a68;
# The engine in parts: what it asks risk and matcher where they are services of their own, and what they answer.
#
# The bytes that belong to an ask or an answer (records, a command, events, a piece of a state) follow the message.

using Common = import "common.capnp";

enum AskKind {
  unspecified @0;
  hello @1;
  # Who is there, and where it stands: any instance answers.
  state @2;
  # Take up this piece of a state: offset of total bytes, behind record seq.
  records @3;
  # Fold these records, and compare every event with what its command gives here.
  decide @4;
  # Of risk: fold these records, then decide on the command that follows them.
  fold @5;
  # Of risk: fold these records.
  apply @6;
  # Of the matcher: the events of this decided command.
  refuses @7;
  # Of the matcher: what it would answer this definition.
  snapshot @8;
  # The state, as canonical bytes.
  rest @9;
  # The last answer's bytes from offset on.
}

struct AskCore {
  # header.seq: the record behind which it is asked.
  header @0 :Common.Header;
  session @1 :UInt64;
  # The run of the engine; drawn at its start.
  instance @2 :UInt64;
  # Whom it is for; zero: whoever is there.
  number @3 :UInt64;
  # Of the ask in its session, from 1. An ask that is repeated keeps its number, and gets the same answer.
  epoch @4 :UInt64;
  # Of the engine's tape: who asks with an older one than another engine did lately is refused.
  total @5 :UInt64;
  offset @6 :UInt64;
  nextOrderId @7 :UInt64;
  # Of a state: the first id that no order had.
  room @8 :UInt32;
  # Bytes that may follow the answer; more are to be asked for.
  kind @9 :AskKind;
  final @10 :Bool;
  # Of records: the last ones; the next ask is number + 1.
}

enum AnswerOutcome {
  unspecified @0;
  done @1;
  elsewhere @2;
  # Not the state that was meant: it is to be brought there.
  superseded @3;
  # An engine of a later epoch asks, too.
  differs @4;
  # A record gives something else here, or does not follow: seq says which.
  unreadable @5;
  # The bytes are no ask, records or state that this version reads.
}

struct CoreAnswered {
  # header.seq: the record it stands behind.
  header @0 :Common.Header;
  session @1 :UInt64;
  instance @2 :UInt64;
  # Who answers: drawn at its start.
  number @3 :UInt64;
  # Of the last ask that was done.
  epoch @4 :UInt64;
  # The newest that has asked.
  value @5 :Int64;
  limit @6 :Int64;
  # Of a refusal, the two numbers compared.
  nextDue @7 :Int64;
  # Of the matcher: when the market's clock must be advanced next, UTC ns; zero: never.
  mostEvents @8 :UInt64;
  # Of the matcher: the next command causes fewer events.
  liveOrders @9 :UInt64;
  total @10 :UInt64;
  # Bytes of the whole answer, of which the first follow.
  outcome @11 :AnswerOutcome;
  reason @12 :Common.RejectReason;
  # Of a refusal.
  version @13 :Text $Common.room(16);
  # Of Tapewire there.
}
