'use strict';
// Plays the scenarios that it is told to, one after the other; see Scenarios in program.py.

const readline = require('node:readline');
const scenarios = { ...require('./orders'), ...require('./trouble') };

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line) => process.stdout.write(`${line}\n`);

async function next() {
  const { value, done } = await lines.next();
  return done ? null : value;
}

/** The test kills the broker and starts it again. */
async function restart() {
  say('wanted: restart');
  if ((await next()) !== 'done') throw new Error('it was not restarted');
}

async function main() {
  say(`scenarios ${Object.keys(scenarios).join(' ')}`);
  for (let line = await next(); line !== null; line = await next()) {
    const name = line.split(' ')[1];
    try {
      await scenarios[name](restart);
      say(`passed ${name}`);
    } catch (error) {
      say(error.stack);
      say(`failed ${name}`);
    }
  }
  process.exit(0);
}

main();
