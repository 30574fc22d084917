'use strict';
// How a Node app finds its agent: nothing but PANNIER_DIR.

const fs = require('node:fs');
const path = require('node:path');
const amqp = require('amqplib');

const read = (name) => fs.readFileSync(path.join(process.env.PANNIER_DIR, name));

const url = () => read('amqp-url').toString();

/** A connection; `query` is added to the URL. */
function connect(options = {}, query = '') {
  return amqp.connect(url() + query, { ca: [read('ca.crt')], ...options });
}

/** `{queue, channel}` of a fresh connection, closed once `use` is done. */
async function within(use, kind = 'createChannel') {
  const connection = await connect();
  connection.on('error', () => {}); // a scenario looks at its channels
  try {
    return await use(await connection[kind](), connection);
  } finally {
    await connection.close();
  }
}

/** The first `count` messages of a queue, acknowledged in that order. */
async function take(channel, queue, count, options = {}) {
  const found = [];
  let tag;
  await new Promise((resolve, reject) => {
    channel
      .consume(
        queue,
        (message) => {
          if (message === null || found.length === count) return;
          found.push(message);
          if (!options.noAck) channel.ack(message);
          if (found.length === count) resolve();
        },
        options,
      )
      .then((ok) => {
        tag = ok.consumerTag;
      }, reject);
  });
  await channel.cancel(tag);
  return found;
}

const text = (message) => message.content.toString();

module.exports = { connect, read, take, text, url, within };
