'use strict';
// Takes a message, says so, and keeps it.

const { connect } = require('./broker');

async function main() {
  const connection = await connect({}, '?heartbeat=1');
  const channel = await connection.createChannel();
  await channel.consume('node-frozen', () => process.stdout.write('held\n'));
}

main();
