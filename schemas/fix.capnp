@0xb7d2419ce0635f0b;
# FIX: what a gateway received and sent, in the order it did. On the tape `fix.<name>`, which holds these alone:
# sequence numbers, what may be asked for again, and which request a command came from are folds of it.

using Common = import "common.capnp";

enum FixSessionState {
  unspecified @0;
  known @1;
  # Seen in the configuration for the first time: nothing that is on the orders tape by now is reported to it.
  loggedOn @2;
  loggedOut @3;
  # The connection is gone, with or without a Logout.
  reset @4;
  # Both numbers begin at 1 again.
}

struct FixReceived {
  # A message of a client that the session layer took, written before anything is done about it.
  header @0 :Common.Header;
  # tsRecv: when the session layer handed it over.
  session @1 :UInt32;
  # The session's number in the configuration.
  msgSeqNum @2 :UInt64;
  nextIn @3 :UInt64;
  # The number expected after this message.
  clOrdId @4 :UInt64;
  # Of the command that it becomes; 0: none, or not yet (see FixSubmitted).
  msgType @5 :Text $Common.room(8);
  raw @6 :Text;
  # All of it, each byte a character of latin-1.
}

struct FixSent {
  # A message to a client, written before it goes to the socket.
  header @0 :Common.Header;
  session @1 :UInt32;
  msgSeqNum @2 :UInt64;
  ordersSeq @3 :UInt64;
  # The record of the orders tape that it reports, on a venue's tape the record of the router's tape that it carries
  # out; 0: none.
  answers @4 :UInt64;
  # Seq of the FixReceived that is answered with this, here on this tape; 0: none, or more is to follow.
  part @5 :UInt16;
  # Place among the reports of one record to one session, from 0.
  msgType @6 :Text $Common.room(8);
  raw @7 :Text;
}

struct FixSubmitted {
  # A command that was not submitted when its message came: that waited, or the gateway makes it by itself.
  header @0 :Common.Header;
  session @1 :UInt32;
  clOrdId @2 :UInt64;
  received @3 :UInt64;
  # Seq of its FixReceived; 0: the gateway's own, a MassCancel after a disconnect.
}

struct FixSessionChanged {
  header @0 :Common.Header;
  session @1 :UInt32;
  state @2 :FixSessionState;
  nextIn @3 :UInt64;
  nextOut @4 :UInt64;
  # Both numbers as they stand after it.
  ordersSeq @5 :UInt64;
  # Of `known`: the last record of the orders tape by then.
  reason @6 :Text;
}
