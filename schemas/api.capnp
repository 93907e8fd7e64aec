@0xc3a9d5107be2f846;
# API: what clients asked for by HTTP, WebSocket or the bus, and what they were answered. On the tape `api.<number>`,
# which holds these alone: who wrote what, which nonces were used, and which request a command came from are folds of it.

using Common = import "common.capnp";

enum ApiDoor {
  unspecified @0;
  http @1;
  webSocket @2;
  bus @3;
}

struct ApiReceived {
  # A request to change something, written before anything is done about it. header.ts rises strictly; every command
  # that it becomes repeats it as its tsEvent, and so can be traced to its author.
  header @0 :Common.Header;
  # tsRecv: when its last byte was read.
  clOrdId @1 :UInt64;
  # Of the command that it becomes; 0: it was refused before it became one, or its command has none.
  traceHigh @2 :UInt64;
  traceLow @3 :UInt64;
  # Trace id of its W3C trace context; zeros: it has none.
  spanId @4 :UInt64;
  # The client's span; 0: the trace begins here.
  key @5 :UInt32;
  # The number of the API key or user: what orders on the tape carry as their session.
  account @6 :UInt32;
  # That it acts for; 0: none, or all.
  traceFlags @7 :UInt8;
  door @8 :ApiDoor;
  author @9 :Text $Common.room(32);
  # The name of the API key or user.
  address @10 :Text $Common.room(48);
  # Where it came from.
  nonce @11 :Text $Common.room(48);
  # Not to be used again within the receive window; empty: a session or a connection vouches for it.
  operation @12 :Text $Common.room(64);
  # Such as `POST /v1/orders`.
  body @13 :Text;
  # As it came, each byte a character of latin-1; of a bus message its bytes in base64.
}

struct ApiAnswered {
  # What a request was answered, written before the answer leaves.
  header @0 :Common.Header;
  received @1 :UInt64;
  # Seq of its ApiReceived, here on this tape.
  ordersSeq @2 :UInt64;
  # The record of the orders tape that decided it; 0: none did.
  status @3 :UInt16;
  # HTTP status.
}
