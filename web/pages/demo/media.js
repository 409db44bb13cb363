// Camera, microphone and screen, and words for when there are none.

const picture = { width: { ideal: 1280 }, height: { ideal: 720 } };

// What a browser's refusal means, for a device.
const reasons = {
  NotAllowedError: (device) => `The browser does not let this page use the ${device}. Allow it in the settings beside the address, then try again.`,
  NotFoundError: (device) => `No ${device} was found.`,
  NotReadableError: (device) => `The ${device} is in use by another program, or does not work.`,
};

const noHTTPS =
  'This page is not on HTTPS. Browsers give the camera and the microphone only to pages on HTTPS and on localhost.';

// openMedia resolves to {tracks, problem}: as much of a microphone and, where
// wanted, a camera as there is, and words about what is missing.
export async function openMedia(video) {
  if (!navigator.mediaDevices) return { tracks: [], problem: noHTTPS };
  try {
    return { tracks: await open({ audio: true, video: video && picture }), problem: '' };
  } catch (err) {
    if (!video) return { tracks: [], problem: explain(err, 'microphone') };
  }
  // One of the two may work alone.
  const tracks = [];
  const problems = [];
  for (const [device, wanted] of [
    ['microphone', { audio: true }],
    ['camera', { video: picture }],
  ]) {
    try {
      tracks.push(...(await open(wanted)));
    } catch (err) {
      problems.push(explain(err, device));
    }
  }
  return { tracks, problem: problems.join(' ') };
}

// openTrack resolves to {track, problem}, of a camera, a microphone or a screen.
export async function openTrack(device) {
  if (!navigator.mediaDevices) return { problem: noHTTPS };
  try {
    const [track] = await (device === 'screen' ? screen() : open(device === 'camera' ? { video: picture } : { audio: true }));
    return { track, problem: '' };
  } catch (err) {
    // Those who close the browser's own dialog for screens need no words.
    return { problem: device === 'screen' && err.name === 'NotAllowedError' ? '' : explain(err, device) };
  }
}

// canShareScreen tells whether this browser has it; phones do not.
export const canShareScreen = Boolean(navigator.mediaDevices?.getDisplayMedia);

async function open(constraints) {
  return (await navigator.mediaDevices.getUserMedia(constraints)).getTracks();
}

async function screen() {
  return (await navigator.mediaDevices.getDisplayMedia({ video: true })).getVideoTracks();
}

function explain({ name, message }, device) {
  return reasons[name]?.(device) ?? `The ${device} cannot be used: ${message}`;
}
