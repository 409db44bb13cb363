// What a page sends and gets, by the statistics of its connections and by what
// can be seen.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

// watchMedia lets media look into the pages of a context. Their cameras have a
// small picture: to encode it is most of what these tests compute.
export function watchMedia(context) {
  return context.addInitScript(() => {
    const devices = globalThis.MediaDevices?.prototype ?? {};
    const { getUserMedia } = devices;
    devices.getUserMedia = function ({ video, ...rest }) {
      return getUserMedia.call(this, { ...rest, video: video && { width: 320, height: 180 } });
    };
    globalThis.connections = [];
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(...args) {
        super(...args);
        globalThis.connections.push(this);
      }
    };
  });
}

// media resolves to {frames, energy, ufrag, local}: frames decoded, energy of
// sound heard, and how the page's latest connection is connected.
export function media(page) {
  return page.evaluate(async () => {
    const pc = globalThis.connections.at(-1);
    const all = [...(await pc.getStats()).values()];
    const inbound = (kind) => all.find((s) => s.type === 'inbound-rtp' && s.kind === kind);
    const transport = all.find((s) => s.type === 'transport');
    const pair = all.find((s) => s.id === transport?.selectedCandidatePairId);
    return {
      frames: inbound('video')?.framesDecoded ?? 0,
      energy: inbound('audio')?.totalAudioEnergy ?? 0,
      level: inbound('audio')?.audioLevel ?? 0,
      ufrag: /a=ice-ufrag:(\S+)/.exec(pc.localDescription.sdp)[1],
      local: all.find((s) => s.id === pair?.localCandidateId)?.candidateType,
    };
  });
}

// until resolves to what get resolves to, once that will do.
export async function until(what, get, will) {
  for (const end = Date.now() + 30_000; ; await pause(50)) {
    const value = await get();
    if (will(value)) return value;
    assert.ok(Date.now() < end, `waited for ${what}: ${JSON.stringify(value)}`);
  }
}

// flows waits until a page decodes more frames and hears more than now.
export async function flows(page, { video = true, audio = true } = {}) {
  const before = await media(page);
  await until(
    `media to flow after ${JSON.stringify(before)}`,
    () => media(page),
    ({ frames, energy }) => (!video || frames >= before.frames + 5) && (!audio || energy > before.energy),
  );
}

// colour resolves to the mean colour of what is seen of somebody: [r, g, b].
export function colour(visitor, name) {
  return visitor.stage(name).getByLabel(name, { exact: true }).evaluate((video) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 32 });
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 32, 32);
    const { data } = context.getImageData(0, 0, 32, 32);
    return [0, 1, 2].map((i) => data.filter((_, k) => k % 4 === i).reduce((sum, n) => sum + n, 0) / (data.length / 4));
  });
}
