// npm install && node subscribe.mjs nats://127.0.0.1:4222 demo      every trade on the bus; nothing of ours is imported
import { connect } from "@nats-io/transport-node";

const [url = "nats://127.0.0.1:4222", env = "demo"] = process.argv.slice(2);
const bus = await connect({ servers: url });
const { type_at, enums, messages } = (await bus.request(`${env}.ops.schema.layout`)).json();
const { type, fields } = messages.Trade;
for await (const { subject, data } of bus.subscribe(`${env}.*.trade.*`)) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint16(type_at, true) !== type) continue; // the house also tells here which trades were busted
  const decimal = (name) => `${view.getBigInt64(fields[name].at, true)}e${view.getInt8(fields[`${name}_exponent`].at)}`;
  const side = enums.Side[view.getUint16(fields.aggressor.at, true)];
  console.log(subject, side, decimal("qty"), "@", decimal("price"));
}
