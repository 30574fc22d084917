'use strict';
// What goes wrong, and how an app hears of it and goes on.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const readline = require('node:readline');
const amqp = require('amqplib');
const { connect, read, take, text, url, within } = require('./broker');

/** A mistake closes its channel, with RabbitMQ's code, and nothing else. */
async function channelErrors() {
  await within(async (other, connection) => {
    await other.assertQueue('node-fixed', { durable: true });
    const { queue } = await other.assertQueue('', { exclusive: true });
    const mistakes = [
      [404, (channel) => channel.checkQueue('not-there')],
      [406, (channel) => channel.assertQueue('node-fixed', { durable: false })],
      [404, (channel) => channel.bindQueue('node-fixed', 'not-there', 'k')],
      [404, (channel) => channel.checkExchange('not-there')],
      [403, (channel) => channel.assertQueue('amq.mine')],
      [406, (channel) => channel.deleteQueue('node-fixed', { ifUnused: true, ifEmpty: true })],
    ];
    other.sendToQueue('node-fixed', Buffer.from('m'));
    await other.checkQueue('node-fixed');
    for (const [code, mistake] of mistakes) {
      const channel = await connection.createChannel();
      const error = once(channel, 'error');
      await assert.rejects(mistake(channel), { code });
      assert.equal((await error)[0].code, code);
    }
    const stranger = await connect();
    const channel = await stranger.createChannel();
    channel.on('error', () => {});
    await assert.rejects(channel.checkQueue(queue), { code: 405 });
    await stranger.close();
    assert.equal((await other.checkQueue('node-fixed')).messageCount, 1);
    await other.deleteQueue('node-fixed');
  });
}

async function unknownDeliveryTag() {
  await within(async (channel) => {
    const error = once(channel, 'error');
    channel.ack({ fields: { deliveryTag: 77 } });
    assert.equal((await error)[0].code, 406);
  });
}

async function wrongPassword() {
  const wrong = new URL(url());
  wrong.password = 'wrong';
  await assert.rejects(
    amqp.connect(wrong.toString(), { ca: [read('ca.crt')] }),
    /ACCESS_REFUSED|403/,
  );
}

async function unknownAuthority() {
  await assert.rejects(amqp.connect(url()), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }).catch(
    (mismatch) => {
      // The agent's certificate is of a CA; the other's is its own.
      assert.match(String(mismatch.actual.code), /UNABLE_TO_VERIFY|SELF_SIGNED/);
    },
  );
}

/** The consumer of a queue that is deleted is told with a null. */
async function cancelledConsumer() {
  await within(async (channel, connection) => {
    await channel.assertQueue('node-going', { durable: false });
    let tell;
    const told = new Promise((resolve) => (tell = resolve));
    await channel.consume('node-going', tell);
    const other = await connection.createChannel();
    await other.deleteQueue('node-going');
    assert.equal(await told, null);
  });
}

/** A queue with x-expires goes when nobody uses it, one that is used stays. */
async function expiringQueues() {
  await within(async (channel, connection) => {
    let told;
    const gone = new Promise((resolve) => (told = resolve));
    await channel.assertQueue('node-dead-2', { exclusive: true });
    await channel.assertQueue('node-used', { durable: false, expires: 200 });
    await channel.consume('node-used', () => {});
    await channel.assertQueue('node-unused', { durable: false, expires: 200 });
    const look = async () => {
      const probe = await connection.createChannel();
      probe.on('error', () => {});
      try {
        // A passive declare is a use, on both: the next look is after the time of the queue.
        await probe.checkQueue('node-unused');
        await probe.close();
        setTimeout(look, 500);
      } catch (error) {
        told(error.code);
      }
    };
    setTimeout(look, 500);
    assert.equal(await gone, 404);
    assert.equal((await channel.checkQueue('node-used')).consumerCount, 1);
  });
}

/** A client that stands still misses its heartbeats; what it held goes to another. */
async function frozenConsumer() {
  await within(async (channel) => {
    await channel.assertQueue('node-frozen', { durable: true });
    const frozen = spawn(process.execPath, [path.join(__dirname, 'holder.js')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const lines = readline.createInterface({ input: frozen.stdout });
      channel.sendToQueue('node-frozen', Buffer.from('held'), { persistent: true });
      await once(lines, 'line');
      frozen.kill('SIGSTOP');
      const [message] = await take(channel, 'node-frozen', 1);
      assert.equal(text(message), 'held');
      assert.equal(message.fields.redelivered, true);
    } finally {
      frozen.kill('SIGKILL');
    }
  });
}

/** Heartbeats of both sides keep a connection that has nothing to say. */
async function idleConnection() {
  const connection = await connect({}, '?heartbeat=1');
  let missed = false;
  connection.on('error', () => (missed = true));
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true, messageTtl: 3_000 });
  await channel.assertQueue('node-after-a-rest', { exclusive: true });
  await channel.assertQueue('node-rest', {
    exclusive: true,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'node-after-a-rest',
  });
  channel.sendToQueue('node-rest', Buffer.from('rested'), { expiration: 3_500 });
  const [message] = await take(channel, 'node-after-a-rest', 1);
  assert.equal(text(message), 'rested');
  assert.equal(missed, false);
  assert.ok(queue);
  await connection.close();
}

/** The library's recovery: its setup declares and consumes again, and nothing confirmed is lost. */
async function recovery(restart) {
  const seen = new Set();
  let reconnects = 0;
  let tell;
  const all = new Promise((resolve) => (tell = resolve));
  const connection = await connect({
    recovery: {
      initialDelay: 50,
      maxDelay: 200,
      async setup(model) {
        const channel = await model.createChannel();
        await channel.prefetch(10);
        await channel.assertQueue('node-sturdy', { durable: true });
        await channel.assertExchange('node-news', 'fanout', { durable: false });
        const { queue } = await channel.assertQueue('', { exclusive: true });
        await channel.bindQueue(queue, 'node-news', '');
        const take = (message) => {
          seen.add(text(message));
          channel.ack(message);
          if (seen.size === 201) tell();
        };
        await channel.consume('node-sturdy', take);
        await channel.consume(queue, take);
      },
    },
  });
  connection.on('error', () => {});
  connection.on('connect', () => reconnects++);

  // A channel's close would wait for ever for an answer if the connection ends meanwhile.
  let confirming = null;
  const publish = async (numbers) => {
    for (const number of numbers)
      for (let confirmed = false; !confirmed; ) {
        try {
          if (confirming === null) {
            confirming = await connection.createConfirmChannel();
            confirming.on('error', () => {});
          }
          confirming.sendToQueue('node-sturdy', Buffer.from(String(number)), { persistent: true });
          await confirming.waitForConfirms();
          confirmed = true;
        } catch (error) {
          confirming = null;
          assert.match(error.message, /closed|closing|ended/i);
        }
      }
  };
  await publish([...Array(100).keys()]);
  const back = new Promise((resolve) => connection.once('connect', resolve));
  const publishing = publish([...Array(100).keys()].map((number) => number + 100));
  await restart();
  await back;
  await publishing;
  const channel = await connection.createChannel();
  channel.publish('node-news', '', Buffer.from('news'));
  const late = setTimeout(() => console.log(`seen ${seen.size} of 201`), 30_000);
  await all;
  clearTimeout(late);
  assert.ok(reconnects >= 1);
  await connection.close();
}

module.exports = {
  channelErrors,
  unknownDeliveryTag,
  wrongPassword,
  unknownAuthority,
  cancelledConsumer,
  expiringQueues,
  frozenConsumer,
  idleConnection,
  recovery,
};
