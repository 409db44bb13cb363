// The body is opaque: it arrives byte for byte as it was sent. All packets
// here are written by hand, and compared as they arrive, before any parser.

import { cases } from './cases.mjs';
import { relays } from './contract.mjs';

// Bodies that a JSON decoder and encoder would not give back as they were.
const bodies = [
  // numbers
  '9007199254740993',
  '-9007199254740993',
  '123456789012345678901234567890',
  '1.0',
  '-1.50',
  '1e2',
  '1E+2',
  '1e400',
  '5e-324',
  '0.1000000000000000055511151231257827',
  '{"id":1.0,"n":[1e2,-0,0.0,0e5,10000000000000000000000]}',
  // escapes
  '"\\u0041"',
  '"\\/\\b\\f\\n\\r\\t\\"\\\\"',
  '"\\u00E9\\u00e9"',
  '"\\ud83d\\ude00"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000\\u001f\\u007f"',
  '"\\u2028\\u2029"',
  '{"\\u0061":1,"\\ud800":2}',
  // Unicode as it is
  '"é語😀"',
  '"\u2028\u2029\u007f\u0080\u00a0\ufeff\ufffd\uffff"',
  '"<script>&\'+</script>"',
  '{"ключ":"значение"}',
  // keys
  '{"z":1,"a":2,"m":3}',
  '{"10":1,"9":2,"x":3,"1":4}',
  '{"a":1,"a":2,"a":{"a":1,"a":1}}',
  '{"":{"":""}}',
  '{"__proto__":{"a":1},"constructor":null}',
  // white space inside
  '{ "a" :\t[ 1 ,\r\n 2 ] , "b":{ } }',
  '[\n]',
  '" \\u0020 "',
  // text that looks like what the server looks for
  '"\\"to\\":\\"x\\""',
  '"to"',
  '"\\\\"',
  '"\\\\\\""',
  '"}],"',
  '{"to":"x","from":"x","offer":1,"candidate":2,"answer":3,"message":4}',
  '{"sdp":"\\"to\\":\\"x\\",\\"from\\":\\"y\\"}]"}',
  '["offer",{"to":"x","from":"y","offer":1}]',
  '"42[\\"offer\\",{}]"',
  // a placeholder without an attachment is JSON like any other
  '{"_placeholder":true,"num":0}',
  '[{"_placeholder":true,"num":7},{"_placeholder":false}]',
  // small ones
  'true',
  '1',
  '" "',
  '"0"',
  '[]',
  '{}',
  '[[[[[[]]]]],{"a":{"b":{"c":[null]}}}]',
];

const permutations = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

const spaces = ['', ' ', '\t', '\n', '\r', ' \r\n\t '];

// Other spellings of {"to":"b","from":"a","offer":BODY}, each with the body
// that is to arrive.
const spellings = [
  ['{"t\\u006f":"b","\\u0066rom":"a","off\\u0065r":{"a":1.0}}', '{"a":1.0}'],
  ['{"\\u0074\\u006F":"\\u0062","from":"\\u0061","offer":1.0}', '1.0'],
  ['{"to":"x","to":"b","from":"x","from":"a","offer":{"x":1},"offer":{"a":1.0}}', '{"a":1.0}'],
  ['{"to":null,"from":5,"offer":0,"to":"b","from":"a","offer":1.0}', '1.0'],
  ['{"offer":[1],"t\\u006f":"b","to":"b","from":"a","offe\\u0072":1.0}', '1.0'],
  ['{"x":{"to":"x","from":"x","offer":2},"to":"b","from":"a","offer":1.0,"y":[{"offer":3}]}', '1.0'],
  ['{"x":"\\"offer\\":2","to":"b","y":"}","from":"a","offer":1.0,"z":"\\\\"}', '1.0'],
  ['{"Offer":2,"OFFER":3,"TO":"x","From":"x","to":"b","from":"a","offer":1.0,"oFFer":4}', '1.0'],
  ['{"":1,"o":2,"offe":3,"offerr":4,"to":"b","from":"a","offer":1.0}', '1.0'],
  ['{"__proto__":{"to":"x"},"to":"b","from":"a","offer":1.0}', '1.0'],
  ['{"to":"b","from":"a","offer":1.0},{"to":"x","from":"x","offer":2}', '1.0'],
  ['{"to":"b","from":"a","offer":1.0},1,"x",null,[]', '1.0'],
];

cases('bytes', [
  {
    name: 'bodies arrive as they were sent, on every relay',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      for (const { event, body } of relays) {
        for (const value of bodies) a.write(`2["${event}",{"to":"b","from":"a","${body}":${value}}]`);
        for (const value of bodies) await b.expectPacket(`2["${event}",{"from":"a","${body}":${value}}]`);
      }
    },
  },
  {
    name: 'keys in any order, white space between any tokens',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      for (const { event, body } of relays) {
        const members = [['to', '"b"'], ['from', '"a"'], [body, '{"a":[1.0 , 2]}']];
        const packets = spaces.flatMap((s) =>
          permutations.map((order) => {
            const object = order.map((i) => `${s}"${members[i][0]}"${s}:${s}${members[i][1]}${s}`).join(',');
            return `2[${s}"${event}"${s},${s}{${object}}${s}]${s}`;
          }),
        );
        for (const packet of packets) a.write(packet);
        for (const _ of packets) await b.expectPacket(`2["${event}",{"from":"a","${body}":{"a":[1.0 , 2]}}]`);
      }
    },
  },
  {
    name: 'escaped, repeated, nested and similar keys are read as JSON.parse reads them',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b', 'x');
      for (const [argument, value] of spellings) {
        a.write(`2["offer",${argument}]`);
        await b.expectPacket(`2["offer",{"from":"a","offer":${value}}]`);
      }
      a.write('2["\\u006fffer",{"to":"b","from":"a","offer":1.0}]');
      await b.expectPacket('2["offer",{"from":"a","offer":1.0}]');
    },
  },
  {
    name: 'nesting has no limit but the size',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const deep = '['.repeat(100_000) + ']'.repeat(100_000);
      a.write(`2["offer",{"to":"b","from":"a","x":${deep},"offer":${deep}}]`);
      await b.expectPacket(`2["offer",{"from":"a","offer":${deep}}]`);
      a.write(`2["offer",{"to":"b","from":"a","offer":1},${deep}]`);
      await b.expectPacket('2["offer",{"from":"a","offer":1}]');
      a.write(`2["offer",${deep}]`);
      await a.expectPacket('2["error","Invalid offer data"]');
    },
  },
  {
    name: 'large bodies arrive whole',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const large = JSON.stringify('a€😀\\u'.repeat(50_000));
      // One by one: where b reads late, two are more than one sender may have waiting.
      for (let n = 0; n < 3; n++) {
        a.write(`2["custom-message",{"to":"b","from":"a","message":[${n}.0,${large}]}]`);
        await b.expectPacket(`2["custom-message",{"from":"a","message":[${n}.0,${large}]}]`);
      }
    },
  },
]);
