// How two browsers are connected, from the statistics of WebRTC.

// measure reads an RTCStatsReport; undefined while no path is known. What is not
// known of media is null. audio is the level of what is heard, 0 to 1; lost,
// received and frames are counters.
export function measure(stats) {
  const all = [...stats.values()];
  const transport = all.find((s) => s.type === 'transport' && s.selectedCandidatePairId);
  const pair = transport
    ? stats.get(transport.selectedCandidatePairId)
    : all.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
  const local = stats.get(pair?.localCandidateId);
  const remote = stats.get(pair?.remoteCandidateId);
  if (!local || !remote) return undefined;
  const media = all.filter((s) => s.type === 'inbound-rtp');
  const video = media.find((s) => s.kind === 'video');
  const audio = media.find((s) => s.kind === 'audio');
  const sum = (key) => media.reduce((total, s) => total + (s[key] ?? 0), 0);
  return {
    local: place(local),
    remote: place(remote),
    relayed: local.candidateType === 'relay' || remote.candidateType === 'relay',
    ms: pair.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    lost: sum('packetsLost'),
    received: sum('packetsReceived'),
    frames: video?.framesDecoded ?? 0,
    width: video?.frameWidth ?? null,
    height: video?.frameHeight ?? null,
    fps: video?.framesPerSecond ?? null,
    audio: audio?.audioLevel ?? null,
  };
}

// describe puts the quality of a call into words. Loss is that since before.
export function describe(now, before) {
  const words = [now.relayed ? 'Relayed' : 'Direct', `round trip ${roundTrip(now.ms)}`];
  const lost = Math.max(0, now.lost - (before?.lost ?? 0));
  const received = now.received - (before?.received ?? 0);
  if (received > 0) words.push(`loss ${((100 * lost) / (lost + received)).toFixed(lost ? 1 : 0)} %`);
  if (now.width && now.frames > (before?.frames ?? 0)) words.push(`${now.width} × ${now.height}, ${Math.round(now.fps ?? 0)} fps`);
  return words.join(' · ');
}

export function roundTrip(ms) {
  if (ms === null) return 'unknown';
  return ms < 1 ? 'below 1 ms' : `${Math.round(ms)} ms`;
}

// place says where a candidate is: of RTCIceCandidate, or of the statistics.
export function place(c) {
  const type = c.candidateType ?? c.type ?? 'candidate';
  // Browsers keep back the address of a candidate that they found by themselves.
  let address = c.address || c.ip || '(unknown)';
  if (address.includes(':') && !address.startsWith('[')) address = `[${address}]`;
  // Ours only, since the other's way to its relay is not for us to know.
  const way = c.relayProtocol ? `, reached by ${c.relayProtocol}` : '';
  return `${type} ${c.protocol ?? ''} ${address}:${c.port}${way}`;
}
