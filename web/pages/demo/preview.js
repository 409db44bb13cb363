// Before a call: what the other will see, and whether the microphone hears
// anything.

import { openMedia } from './media.js';

const $ = (id) => document.getElementById(id);

// preview asks whether to call somebody. It resolves to tracks, of what there is
// and may be used, or to null.
export function preview(name, video) {
  const dialog = $('preview');
  let tracks = [];
  let meter;
  $('preview-heading').textContent = `${video ? 'Video' : 'Audio'} call with ${name}`;
  $('preview-video').hidden = true;

  const look = async () => {
    $('preview-again').hidden = true;
    $('preview-problem').hidden = true;
    $('preview-go').disabled = true;
    const media = await openMedia(video);
    if (!dialog.open) {
      media.tracks.forEach((track) => track.stop());
      return;
    }
    tracks = media.tracks;
    const camera = tracks.find(({ kind }) => kind === 'video');
    const microphone = tracks.find(({ kind }) => kind === 'audio');
    $('preview-video').hidden = !camera;
    $('preview-video').srcObject = camera ? new MediaStream([camera]) : null;
    meter = microphone && listen(microphone);
    $('preview-level').hidden = !microphone;
    $('preview-problem').hidden = !media.problem;
    $('preview-problem').textContent = media.problem;
    $('preview-again').hidden = !media.problem;
    $('preview-go').textContent = tracks.length ? 'Call' : 'Call anyway, to watch and listen';
    $('preview-go').disabled = false;
    $('preview-go').focus();
  };

  return new Promise((resolve) => {
    $('preview-go').onclick = () => dialog.close('go');
    $('preview-cancel').onclick = () => dialog.close('');
    $('preview-again').onclick = () => {
      release();
      look();
    };
    const release = () => {
      meter?.();
      for (const track of tracks.splice(0)) track.stop();
    };
    dialog.onclose = () => {
      $('preview-video').srcObject = null;
      if (dialog.returnValue === 'go') {
        meter?.();
        resolve(tracks);
      } else {
        release();
        resolve(null);
      }
    };
    dialog.returnValue = '';
    dialog.showModal();
    look();
  });
}

// closePreview takes the question back.
export function closePreview() {
  if ($('preview').open) $('preview').close('');
}

// listen shows the level of a microphone until what it returns is called.
function listen(track) {
  const audio = new AudioContext();
  const analyser = audio.createAnalyser();
  audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    $('preview-meter').value = Math.max(...samples.map(Math.abs));
  }, 100);
  return () => {
    clearInterval(timer);
    audio.close();
  };
}
