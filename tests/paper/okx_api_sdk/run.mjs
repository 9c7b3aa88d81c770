// Places, amends, cancels, queries and streams with okx-api, unchanged but for the URL.
// Prints one JSON object; the Python test beside it says what must be in it.
import { RestClient, WebsocketAPIClient, WebsocketClient } from 'okx-api';

const [url, apiKey, apiSecret, apiPass] = process.argv.slice(2);
const ws = url.replace('http', 'ws') + '/ws/v5';
const accounts = [{ apiKey, apiSecret, apiPass }];
const silent = { trace() {}, info() {}, error() {} };
const rest = new RestClient({ apiKey, apiSecret, apiPass, baseUrl: url });
const seen = { tickers: [], books5: [], candle1m: [], orders: [], positions: [], account: [] };
const out = {};

function stream(path, topics) {
  const client = new WebsocketClient({ wsUrl: `${ws}/${path}`, accounts }, silent);
  client.on('update', (event) => seen[event.arg.channel]?.push(...event.data));
  client.on('exception', (error) => { out.exception = error; });
  client.subscribe(topics);
  return client;
}

async function until(what, holds, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const instId = 'BTC-USDT-SWAP';
const market = { instId, tdMode: 'cross', side: 'buy', ordType: 'market', sz: '2' };

out.time = (await rest.getSystemTime())[0]?.ts ?? (await rest.getSystemTime());
out.instruments = (await rest.getInstruments({ instType: 'SWAP' })).map((row) => row.instId);
out.last = (await rest.getTicker({ instId }))[0].last;
out.book = (await rest.getOrderBook({ instId, sz: '5' }))[0];
out.balance = (await rest.getBalance())[0].details.map((row) => row.ccy);
out.config = (await rest.getAccountConfiguration())[0].posMode;
out.leverage = (await rest.setLeverage({ instId, lever: '5', mgnMode: 'cross' }))[0].lever;

const streams = [
  stream('public', [{ channel: 'tickers', instId }, { channel: 'books5', instId }]),
  stream('business', [{ channel: 'candle1m', instId }]),
  stream('private', [
    { channel: 'orders', instType: 'ANY' },
    { channel: 'positions', instType: 'ANY' },
    { channel: 'account' },
  ]),
];
await until('snapshots', () => seen.account.length && seen.tickers.length && seen.books5.length
  && seen.candle1m.length);

const placed = (await rest.submitOrder({ ...market, clOrdId: 'sdk1' }))[0];
out.placed = placed;
await until('the fill and the position', () =>
  seen.orders.some((row) => row.ordId === placed.ordId && row.state === 'filled')
  && seen.positions.some((row) => row.instId === instId && row.pos === '2'));
out.details = (await rest.getOrderDetails({ instId, ordId: placed.ordId }))[0];
out.positions = await rest.getPositions();
out.fills = await rest.getFills({ instId });

const price = String(Math.floor(Number(out.last) * 0.97));
const limit = { ...market, ordType: 'limit', px: price };
const resting = (await rest.submitOrder({ ...limit, clOrdId: 'sdk2' }))[0];
out.amended = (await rest.amendOrder({ instId, ordId: resting.ordId, newSz: '3' }))[0];
out.open = await rest.getOrderList({ instId });
out.canceled = (await rest.cancelOrder({ instId, ordId: resting.ordId }))[0];
await until('the cancellation', () =>
  seen.orders.some((row) => row.ordId === resting.ordId && row.state === 'canceled'));

const several = await rest.submitMultipleOrders([
  { ...limit, clOrdId: 'sdk3' }, { ...limit, clOrdId: 'sdk4' },
]);
out.several = several.map((row) => row.sCode);
out.severalCanceled = (await rest.cancelMultipleOrders(
  several.map((row) => ({ instId, ordId: row.ordId })),
)).map((row) => row.sCode);

// A refusal is thrown as the venue's own body.
try {
  await rest.submitOrder({ ...market, sz: '0' });
} catch (error) {
  out.refused = error;
}

const api = new WebsocketAPIClient({ wsUrl: `${ws}/private`, accounts, attachEventListeners: false },
  silent);
const code = (await rest.getInstruments({ instType: 'SWAP', instId }))[0].instIdCode;
const overSocket = await api.submitNewOrder({ ...limit, instIdCode: code, clOrdId: 'sdk5' });
out.overSocket = overSocket.data[0];
out.overSocketCanceled = (await api.cancelOrder({
  instId, instIdCode: code, ordId: overSocket.data[0].ordId,
})).data[0];

out.closed = (await rest.closePositions({ instId, mgnMode: 'cross' }))[0];
await until('the flat position', () =>
  seen.positions.some((row) => row.instId === instId && row.pos === '0'));
out.pendingAtTheEnd = (await rest.getOrderList()).length;

for (const client of [...streams, api.getWSClient()]) client.closeAll(true);
out.seen = Object.fromEntries(Object.entries(seen).map(([name, rows]) => [name, rows.length]));
console.log(JSON.stringify(out));
process.exit(0);
