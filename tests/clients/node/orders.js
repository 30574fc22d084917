'use strict';
// What a shop does all day: orders out, orders in, questions and answers.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { connect, read, take, text, within } = require('./broker');

const PERSISTENT = { persistent: true };

/** Every confirm arrives, by callback and by waitForConfirms. */
async function confirms() {
  await within(async (channel) => {
    await channel.assertQueue('node-confirmed', { durable: true });
    let confirmed = 0;
    for (let number = 0; number < 500; number++)
      channel.sendToQueue('node-confirmed', Buffer.from(String(number)), PERSISTENT, (error) => {
        assert.equal(error, null);
        confirmed++;
      });
    await channel.waitForConfirms();
    assert.equal(confirmed, 500);
    const found = await take(channel, 'node-confirmed', 500);
    assert.deepEqual(found.map(text), [...Array(500).keys()].map(String));
  }, 'createConfirmChannel');
}

/** A mandatory message comes back before its confirm, with all of it. */
async function returns() {
  await within(async (channel) => {
    const seen = [];
    channel.on('return', (message) => seen.push(message));
    const options = { mandatory: true, messageId: '7', headers: { shop: 'x' } };
    await new Promise((resolve, reject) => {
      channel.publish('', 'nobody-is-here', Buffer.from('back'), options, (error) => {
        seen.push('confirmed');
        if (error) reject(error);
        else resolve();
      });
    });
    const [message, confirmed] = seen;
    assert.equal(confirmed, 'confirmed');
    assert.equal(message.fields.replyCode, 312);
    assert.equal(message.fields.replyText, 'NO_ROUTE');
    assert.equal(text(message), 'back');
    assert.equal(message.properties.messageId, '7');
    assert.equal(message.properties.headers.shop, 'x');
  }, 'createConfirmChannel');
}

/** No consumer holds more than its prefetch, and two share the work. */
async function prefetch() {
  await within(async (channel, connection) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (let number = 0; number < 40; number++) channel.sendToQueue(queue, Buffer.from('m'));
    const held = { a: [], b: [] };
    const second = await connection.createChannel();
    let release;
    const isFull = new Promise((resolve) => (release = resolve));
    let done = 0;
    const finished = new Promise((resolve) => {
      for (const [name, from] of [
        ['a', channel],
        ['b', second],
      ]) {
        from.prefetch(name === 'a' ? 5 : 3);
        from.consume(queue, (message) => {
          held[name].push(message);
          assert.ok(held[name].length <= (name === 'a' ? 5 : 3));
          if (held.a.length === 5 && held.b.length === 3) release();
          if (++done === 40) resolve();
        });
      }
    });
    await isFull;
    const acks = setInterval(() => {
      for (const [name, from] of [
        ['a', channel],
        ['b', second],
      ])
        if (held[name].length > 0) from.ack(held[name].shift());
    }, 1);
    await finished;
    clearInterval(acks);
  });
}

/** nack gives back, reject sends to the dead letters with the reason. */
async function deadLetters() {
  await within(async (channel) => {
    await channel.assertExchange('node-dlx', 'direct', { durable: true });
    await channel.assertQueue('node-dead', { durable: true });
    await channel.bindQueue('node-dead', 'node-dlx', 'refused');
    await channel.assertQueue('node-live', {
      durable: true,
      deadLetterExchange: 'node-dlx',
      deadLetterRoutingKey: 'refused',
    });
    channel.sendToQueue('node-live', Buffer.from('order'), PERSISTENT);
    const tries = [];
    const { consumerTag } = await channel.consume('node-live', (message) => {
      tries.push(message.fields.redelivered);
      if (tries.length === 1) channel.nack(message);
      else channel.reject(message, false);
    });
    const [letter] = await take(channel, 'node-dead', 1);
    await channel.cancel(consumerTag);
    assert.deepEqual(tries, [false, true]);
    assert.equal(letter.fields.exchange, 'node-dlx');
    const [death] = letter.properties.headers['x-death'];
    assert.equal(death.reason, 'rejected');
    assert.equal(death.queue, 'node-live');
    assert.equal(death.count, 1);
    assert.deepEqual(death['routing-keys'], ['node-live']);
    assert.equal(letter.properties.headers['x-first-death-exchange'], '');
  });
}

/** Questions and answers over direct reply-to, and over a queue of one's own. */
async function rpc() {
  await within(async (server) => {
    await server.assertQueue('node-square', { durable: false, autoDelete: true });
    await server.consume('node-square', (message) => {
      const number = Number(text(message));
      server.sendToQueue(message.properties.replyTo, Buffer.from(String(number * number)), {
        correlationId: message.properties.correlationId,
      });
      server.ack(message);
    });
    await within(async (client) => {
      const own = (await client.assertQueue('', { exclusive: true })).queue;
      for (const replies of ['amq.rabbitmq.reply-to', own]) {
        const waiting = new Map();
        await client.consume(
          replies,
          (message) => {
            waiting.get(message.properties.correlationId)(Number(text(message)));
            waiting.delete(message.properties.correlationId);
          },
          { noAck: true },
        );
        const ask = (number) =>
          new Promise((resolve) => {
            waiting.set(String(number), resolve);
            const options = { correlationId: String(number), replyTo: replies };
            client.sendToQueue('node-square', Buffer.from(String(number)), options);
          });
        const answers = await Promise.all([...Array(100).keys()].map(ask));
        assert.deepEqual(
          answers,
          [...Array(100).keys()].map((number) => number * number),
        );
        assert.equal(waiting.size, 0);
      }
    });
  });
}

/** Bodies of many frames, and none at all; a publisher that heeds 'drain'. */
async function largeMessages() {
  await within(async (channel) => {
    await channel.assertQueue('node-large', { durable: true });
    const body = Buffer.alloc(8 * 1024 * 1024, 'abcdefg');
    for (let number = 0; number < 3; number++)
      if (!channel.sendToQueue('node-large', body, PERSISTENT)) await once(channel, 'drain');
    channel.sendToQueue('node-large', Buffer.alloc(0), PERSISTENT);
    await channel.waitForConfirms();
    const found = await take(channel, 'node-large', 4);
    for (const message of found.slice(0, 3)) assert.ok(message.content.equals(body));
    assert.equal(found[3].content.length, 0);
  }, 'createConfirmChannel');
}

async function priorities() {
  await within(async (channel) => {
    await channel.assertQueue('node-urgent', { durable: true, maxPriority: 9 });
    const numbers = [...Array(20).keys()];
    for (const number of numbers)
      channel.sendToQueue('node-urgent', Buffer.from(String(number)), { priority: number % 7 });
    const found = (await take(channel, 'node-urgent', 20)).map((message) => Number(text(message)));
    const wanted = numbers.toSorted
      ? numbers.toSorted((a, b) => (b % 7) - (a % 7) || a - b)
      : [...numbers].sort((a, b) => (b % 7) - (a % 7) || a - b);
    assert.deepEqual(found, wanted);
  });
}

/** A message waits in a queue that nobody reads, and comes back from it: the usual delay. */
async function delayByExpiry() {
  await within(async (channel) => {
    await channel.assertQueue('node-due', { durable: true });
    await channel.assertQueue('node-waiting', {
      durable: true,
      deadLetterExchange: '',
      deadLetterRoutingKey: 'node-due',
      messageTtl: 60_000,
    });
    channel.sendToQueue('node-waiting', Buffer.from('later'), { expiration: 50 });
    const [message] = await take(channel, 'node-due', 1);
    const [death] = message.properties.headers['x-death'];
    assert.equal(death.reason, 'expired');
    assert.equal(death['original-expiration'], '50');
    assert.equal(message.properties.expiration, undefined);
  });
}

async function topics() {
  await within(async (channel) => {
    await channel.assertExchange('node-topics', 'topic', { durable: false, autoDelete: true });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (const key of ['order.*.paid', 'stock.#']) await channel.bindQueue(queue, 'node-topics', key);
    const keys = ['order.1.paid', 'order.1.sent', 'stock', 'stock.eu.low', 'order.2.paid', 'other'];
    for (const key of keys) channel.publish('node-topics', key, Buffer.from(key));
    const found = (await take(channel, queue, 4, { noAck: true })).map(text);
    assert.deepEqual(found, ['order.1.paid', 'stock', 'stock.eu.low', 'order.2.paid']);
  });
}

/** All that can be in headers and properties comes out as it went in. */
async function properties() {
  await within(async (channel) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const headers = {
      text: 'ü😀',
      whole: 2 ** 40,
      negative: -5,
      real: 0.5,
      yes: true,
      nothing: null,
      list: [1, 'two', [3]],
      inner: { deep: { deeper: 'x' } },
      at: { '!': 'timestamp', value: 1_700_000_000 },
      bytes: Buffer.from([0, 255]),
    };
    channel.sendToQueue(queue, Buffer.from('m'), {
      headers,
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      priority: 3,
      correlationId: 'c',
      replyTo: 'r',
      messageId: 'm',
      timestamp: 1_700_000_001,
      type: 't',
      appId: 'shop',
      userId: read('username').toString(),
    });
    const [message] = await take(channel, queue, 1);
    assert.deepEqual({ ...message.properties.headers }, headers);
    assert.equal(message.properties.timestamp, 1_700_000_001);
    assert.equal(message.properties.appId, 'shop');
    assert.equal(message.properties.type, 't');
  });
}

/** The one with the higher priority has everything while it can take it. */
async function consumerPriorities() {
  await within(async (channel) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const got = { low: 0, high: 0 };
    let tell;
    const all = new Promise((resolve) => (tell = resolve));
    for (const [name, priority] of [
      ['low', 1],
      ['high', 10],
    ])
      await channel.consume(
        queue,
        () => {
          got[name]++;
          if (got.low + got.high === 50) tell();
        },
        { noAck: true, priority },
      );
    for (let number = 0; number < 50; number++) channel.sendToQueue(queue, Buffer.from('m'));
    await all;
    assert.deepEqual(got, { low: 0, high: 50 });
  });
}

/** connection.update-secret, as apps send it whose password changes. */
async function newPassword() {
  const connection = await connect();
  await connection.updateSecret(read('password'), 'it was renewed');
  const channel = await connection.createChannel();
  await channel.assertQueue('', { exclusive: true });
  await connection.close();
}

module.exports = {
  confirms,
  returns,
  prefetch,
  deadLetters,
  rpc,
  largeMessages,
  priorities,
  delayByExpiry,
  topics,
  properties,
  consumerPriorities,
  newPassword,
};
