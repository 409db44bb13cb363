// The list of people.

import { clone } from './rows.js';

const abouts = { open: 'channel open', connecting: 'connecting', call: 'in a call', '': '' };

// fill makes a list one of people, {name, state, unread, selected, pinned, readable,
// act}, where act(what) is called with 'video', 'audio', 'chat' or 'pin'. It leaves alone what is
// right already, the focus above all. lost is called when the focus was on
// somebody who is gone.
export function fill(list, people, lost) {
  const items = new Map([...list.children].map((item) => [item.dataset.name, item]));
  people.forEach(({ name, state, unread, selected, pinned, readable, act }, i) => {
    let item = items.get(name);
    items.delete(name);
    if (!item) item = make(name, act, list.id === 'away');
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
    const about = item.querySelector('[data-part="about"]');
    about.textContent = [abouts[state], unread && 'something new'].filter(Boolean).join(', ');
    item.dataset.state = state;
    for (const key of ['video', 'audio']) {
      item.querySelector(`[data-part="${key}"]`).hidden = list.id === 'away' || state === 'call';
    }
    item.querySelector('[data-part="chat"]').hidden = list.id === 'away' && !readable;
    const pin = item.querySelector('[data-part="pin"]');
    pin.setAttribute('aria-pressed', pinned);
    pin.textContent = pinned ? '★' : '☆';
    item.classList.toggle('unread', unread);
    item.setAttribute('aria-current', selected);
  });
  for (const item of items.values()) {
    const focused = item.contains(document.activeElement);
    item.remove();
    if (focused) lost();
  }
}

function make(name, act, away) {
  const [item, part] = clone('person');
  item.dataset.name = name;
  part('name').textContent = name;
  const labels = { video: 'Video call with', audio: 'Audio call with', chat: away ? 'Read messages with' : 'Chat with', pin: 'Pin' };
  for (const [key, label] of Object.entries(labels)) {
    part(key).setAttribute('aria-label', `${label} ${name}`);
    part(key).onclick = () => act(key);
  }
  if (away) part('chat').textContent = 'Read';
  return item;
}
