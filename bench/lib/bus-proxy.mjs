import { connect, createServer } from 'node:net';

/**
 * Stands between nodes and PostgreSQL. Once the bus is cut, the connections on which nodes are woken fall silent, as over a network that
 * drops packets: nobody closes them, new ones get no answer, and all other connections go on.
 */
export async function startBusProxy(databaseUrl) {
  const target = new URL(databaseUrl);
  let cut = false;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port || 5432), target.hostname);
    let listens = false;
    // The first packet names the application.
    client.once('data', (packet) => (listens = packet.includes('gatehouse listener')));
    const silent = () => cut && listens;
    client.on('data', (chunk) => {
      if (!silent()) upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (!silent()) client.write(chunk);
    });
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      one.on('close', () => other.destroy());
      one.on('error', () => other.destroy());
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${server.address().port}`;
  return { url: url.href, cutBus: () => (cut = true), close: () => server.close() };
}
