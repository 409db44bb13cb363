// What tells of an incoming call: a tone as loud as the page's volume, the title
// of the page, and vibration.

const title = document.title;
const pattern = [400, 200, 400, 1000]; // ms: on, off, …
const period = pattern.reduce((sum, ms) => sum + ms, 0);

const volume = document.getElementById('volume');

// loudness is the page's volume, 0 to 1.
export function loudness() {
  return volume.valueAsNumber / 100;
}

// onVolume calls a function whenever the volume was changed.
export function onVolume(listener) {
  volume.addEventListener('input', listener);
}

// ring rings until what it returns is called.
export function ring(name) {
  const audio = new AudioContext();
  const gain = audio.createGain();
  gain.connect(audio.destination);
  const adjust = () => (gain.gain.value = 0.25 * loudness());
  adjust();
  volume.addEventListener('input', adjust);
  const once = () => {
    document.title = `${name} is calling`;
    setTimeout(() => timer && (document.title = title), period / 2);
    navigator.vibrate?.(pattern);
    for (const [start, length] of [[0, 0.4], [0.6, 0.4]]) {
      for (const hertz of [440, 554]) {
        const tone = audio.createOscillator();
        tone.frequency.value = hertz;
        tone.connect(gain);
        tone.start(audio.currentTime + start);
        tone.stop(audio.currentTime + start + length);
      }
    }
  };
  let timer = setInterval(once, period);
  once();
  return () => {
    clearInterval(timer);
    timer = 0;
    volume.removeEventListener('input', adjust);
    audio.close();
    navigator.vibrate?.(0);
    document.title = title;
  };
}
