// Limits of ten seconds, which take as long to be seen.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { cases } from './cases.mjs';
import { within } from './deadline.mjs';
import { clientless } from './modes.mjs';

const limit = 10_000;
const patience = 30_000;

cases('slow', [
  {
    name: 'a connection that stays over MESSAGE_RATE for 10 seconds is closed, one that pauses is not',
    env: { MESSAGE_RATE: '10', MESSAGE_BURST: '10' },
    async run(stage) {
      const [watcher, flood, wave] = await stage.room('w', 'flood', 'wave');
      const start = performance.now();
      // 40 events a second without end; the other one as many for one second of
      // five, in which it is over the limit as well, and then nothing. A late timer sends
      // what was due meanwhile, too.
      let tick = 0;
      const timer = setInterval(() => {
        for (; tick * 100 < performance.now() - start; tick++) {
          for (let i = 0; i < 4; i++) flood.send('ping');
          if (tick % 50 < 10) for (let i = 0; i < 4; i++) wave.send('ping');
        }
      }, 100);
      try {
        assert.deepEqual([...(await watcher.next(patience))], ['peer-disconnected', { peerId: 'flood' }]);
      } finally {
        clearInterval(timer);
      }
      const took = performance.now() - start;
      assert.ok(took > limit - 1500, `closed after ${took} ms`);
      assert.ok(wave.live, 'the one that paused is still there');
      stage.dismiss(...stage.peers);
    },
  },
  {
    name: 'a request whose headers do not arrive within 10 seconds is cut off',
    ...clientless,
    async run({ server }) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      const closed = once(socket, 'close');
      socket.write('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n');
      const start = performance.now();
      await within('the end of a slow request', closed, patience);
      const took = performance.now() - start;
      assert.ok(took > limit - 500, `closed after ${took} ms`);
    },
  },
]);
