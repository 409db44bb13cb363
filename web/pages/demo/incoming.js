// The question whether to accept a call, in front of everything else.

import { ring } from './ring.js';

const $ = (id) => document.getElementById(id);

// ask resolves to 'video', 'audio', 'decline', or '' where the question was
// taken back. It is asked once at a time.
export function ask(name, video) {
  const dialog = $('incoming');
  const silence = ring(name);
  $('incoming-heading').textContent = `${name} is calling${video ? ' with video' : ''}`;
  return new Promise((resolve) => {
    for (const [id, answer] of [['accept-video', 'video'], ['accept-audio', 'audio'], ['decline', 'decline']]) {
      $(id).onclick = () => dialog.close(answer);
    }
    // Escape declines.
    dialog.oncancel = () => (dialog.returnValue = 'decline');
    dialog.onclose = () => {
      silence();
      resolve(dialog.returnValue);
    };
    dialog.returnValue = '';
    dialog.showModal();
    (video ? $('accept-video') : $('accept-audio')).focus();
  });
}

// withdraw takes the question back.
export function withdraw() {
  if ($('incoming').open) $('incoming').close('');
}
