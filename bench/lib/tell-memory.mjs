// Loaded into a node of Gatehouse beside the service: tells, when asked, what is in use after a collection.
process.on('message', () => {
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send({ memory: heapUsed + external, rss });
});
