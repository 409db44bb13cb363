// The demo page: who is online, and conversations with them.

import { onlyRelayed } from './call.js';
import { clone, Conversation } from './conversation.js';
import { Oodaa } from './oodaa.js';
import { rememberedToken, rememberToken, withoutSecrets } from './token.js';
import { Volli } from './volli.js';
import { explain, suggestName } from './words.js';

const $ = (id) => document.getElementById(id);
const maxNotices = 4;
const maxFrames = 100;
const maxAnnouncements = 8;
const maxConversations = 50; // of those that others begin

let signal = null; // Oodaa or Volli
let me = '';
let selected = null; // a name
let online = [];
let countdown; // timer
const conversations = new Map(); // name → Conversation
const unread = new Set(); // names of whom something is new

$('name').value = suggestName();
$('token').value = rememberedToken();
$('relayed-hint').hidden = !onlyRelayed;
$('join-form').onsubmit = (event) => {
  event.preventDefault();
  join(event.submitter?.value === 'volli' ? Volli : Oodaa);
};
$('leave').onclick = () => leave('');
$('retry').onclick = () => signal?.retry();
$('find').onsubmit = (event) => {
  event.preventDefault();
  find($('find-name').value.trim());
};
window.addEventListener('online', () => signal?.retry());
document.addEventListener('visibilitychange', () => document.hidden || signal?.retry());
// The others need not wait until they miss us.
window.addEventListener('pagehide', () => {
  for (const conversation of conversations.values()) conversation.hangUp();
});
// A page that comes back from the browser's cache has lost its connections.
window.addEventListener('pageshow', (event) => event.persisted && signal?.retry());

function join(Protocol) {
  const name = $('name').value.trim();
  $('join-error').hidden = true;
  if (!name) {
    refuse('Invalid user ID');
    return;
  }
  me = name;
  const token = $('token').value.trim();
  rememberToken(token);
  const s = (signal = new Protocol(name, token));
  s.onstate = (state, detail) => s === signal && showState(state, detail);
  s.onframe = (way, text) => s === signal && showFrame(way, text);
  s.onpeople = (people, missed) => s === signal && showPeople(people, missed);
  s.onsignal = (kind, from, body) => s === signal && receive(kind, from, body);
  s.onerror = (text) => s === signal && notice(text);
  s.onlost = (to) => s === signal && conversations.get(to)?.undelivered(`User ${to} is not online`);
  $('me').textContent = name;
  $('protocol').textContent = Protocol.label;
  const volli = Protocol === Volli;
  $('find-label').textContent = volli ? 'Look for a name' : 'Call a name that is not listed';
  $('find-button').textContent = volli ? 'Look' : 'Call';
  $('find-hint').hidden = !volli;
  $('frames').replaceChildren();
  $('notices').replaceChildren();
  showPeople([], []);
  showConversation(null);
  $('join').hidden = true;
  $('room').hidden = false;
  $('me-heading').focus();
  s.open();
}

// leave goes back to the form, with the error that made us.
function leave(error) {
  const s = signal;
  signal = null;
  s?.close();
  clearInterval(countdown);
  for (const conversation of conversations.values()) conversation.hangUp();
  conversations.clear();
  unread.clear();
  $('conversations').replaceChildren();
  $('room').hidden = true;
  $('join').hidden = false;
  if (error) refuse(error);
  (error === 'Unauthorized' ? $('token') : $('name')).focus();
}

function refuse(text) {
  // Only who needs a token is asked for one. The one of this tab may be for
  // another name.
  if (text === 'Unauthorized' || (text === 'User ID not allowed' && $('token').value)) $('token-part').hidden = false;
  $('join-error').hidden = false;
  $('join-error').replaceChildren(explain(text), ' ', code(text));
}

function showState(state, detail) {
  clearInterval(countdown);
  const show = (color, words) => {
    $('state').dataset.state = color;
    $('state').textContent = words;
  };
  $('retry').hidden = state !== 'waiting';
  switch (state) {
    case 'connecting':
      show('warn', 'Connecting …');
      break;
    case 'online':
      show('good', 'Online');
      announce(`You are online as ${me}.`);
      break;
    case 'waiting': {
      const end = performance.now() + detail;
      const tell = () => {
        const seconds = Math.max(1, Math.ceil((end - performance.now()) / 1000));
        show('bad', `Connection lost, next try in ${seconds} s`);
      };
      tell();
      countdown = setInterval(tell, 250);
      if (!$('state').dataset.lost) {
        announce('The connection to the server is lost. This page tries again by itself.');
        lose();
      }
      break;
    }
    case 'ended':
      leave(detail);
      break;
  }
  $('state').dataset.lost = state === 'online' ? '' : 'yes';
}

// lose makes everybody one of whom nothing is known.
function lose() {
  for (const conversation of conversations.values()) conversation.lost();
  online = [];
  $('missed').hidden = true;
  listPeople();
}

// People.

function find(name) {
  if (!name) return;
  $('find-name').value = '';
  if (name === me) notice('', 'That is your own name.');
  else if (signal.look) signal.look(name);
  else call(name);
}

// showPeople shows who is online, and who is looked for in vain.
function showPeople(people, missed) {
  const before = online;
  online = people;
  if (Math.abs(people.length - before.length) === 1) {
    for (const name of people) if (!before.includes(name)) announce(`${name} is online.`);
    for (const name of before) if (!people.includes(name)) announce(`${name} has left.`);
  }
  for (const name of before) if (!people.includes(name)) conversations.get(name)?.left();
  $('missed').hidden = missed.length === 0;
  $('missed-names').textContent = missed.join(', ');
  listPeople();
}

function listPeople() {
  const away = [...conversations.keys()].filter((name) => conversations.get(name).state && !online.includes(name));
  fill($('online'), online);
  fill($('away'), away.sort());
  $('away-part').hidden = away.length === 0;
  $('count').textContent = online.length;
  $('nobody').hidden = online.length > 0;
}

// fill makes a list one of people, and leaves alone what is right already, the
// focus above all.
function fill(list, names) {
  const items = new Map([...list.children].map((item) => [item.dataset.name, item]));
  names.forEach((name, i) => {
    let item = items.get(name);
    items.delete(name);
    if (!item) {
      item = clone('person')[0];
      item.dataset.name = name;
      item.querySelector('[data-part="name"]').textContent = name;
      item.firstElementChild.onclick = () => call(name);
    }
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
    const state = conversations.get(name)?.state ?? '';
    const words = { open: 'channel open', calling: 'calling', '': 'open a channel' }[state];
    item.querySelector('[data-part="about"]').textContent = unread.has(name) ? `${words}, something new` : words;
    item.dataset.state = state;
    item.classList.toggle('unread', unread.has(name));
    item.firstElementChild.setAttribute('aria-current', name === selected);
  });
  for (const item of items.values()) {
    const focused = item.contains(document.activeElement);
    item.remove();
    if (focused) $('people-heading').focus();
  }
}

// Conversations.

function conversationWith(name) {
  let conversation = conversations.get(name);
  if (!conversation) {
    const s = signal;
    conversation = new Conversation(name, {
      me,
      send: (...args) => (s === signal ? s.send(...args) : Promise.reject(new Error('Not connected'))),
      iceServers: () => s.iceServers(),
      announce,
      changed: () => s === signal && listPeople(),
      news: () => {
        if (name === selected) return;
        unread.add(name);
        listPeople();
      },
    });
    conversation.element.hidden = true;
    conversations.set(name, conversation);
    $('conversations').append(conversation.element);
  }
  return conversation;
}

// call shows the conversation with somebody, and opens a channel if there is none.
function call(name) {
  const conversation = conversationWith(name);
  showConversation(name);
  conversation.focus();
  conversation.call();
}

function receive(kind, from, body) {
  if (kind !== 'offer') {
    conversations.get(from)?.signal(kind, body);
    return;
  }
  if (!conversations.has(from) && conversations.size >= maxConversations) return;
  const conversation = conversationWith(from);
  conversation.signal(kind, body);
  if (!selected) showConversation(from);
  else if (from !== selected) unread.add(from);
  announce(`${from} opens a channel to you.`);
  listPeople();
}

function showConversation(name) {
  selected = name;
  unread.delete(name);
  for (const [other, conversation] of conversations) conversation.element.hidden = other !== name;
  $('none').hidden = name !== null;
  listPeople();
}

// Words for people.

// announce tells what has happened to who does not see it. What is told a
// moment later does not take its place.
function announce(text) {
  const item = document.createElement('p');
  item.textContent = text;
  $('announce').append(item);
  if ($('announce').childElementCount > maxAnnouncements) $('announce').firstElementChild.remove();
}

// notice shows an error of the server, with its text as the server wrote it.
function notice(text, words = explain(text)) {
  const same = [...$('notices').children].find((item) => item.dataset.words === words);
  if (same) same.remove();
  const times = Number(same?.dataset.times ?? 0) + 1;
  const [item, part] = clone('notice');
  item.dataset.words = words;
  item.dataset.times = times;
  part('words').textContent = words;
  part('text').textContent = text;
  part('times').textContent = times > 1 ? `${times} times` : '';
  part('dismiss').onclick = () => {
    item.remove();
    $('me-heading').focus();
  };
  $('notices').append(item);
  if ($('notices').childElementCount > maxNotices) $('notices').firstElementChild.remove();
}

function code(text) {
  const element = document.createElement('code');
  element.textContent = text;
  return element;
}

// showFrame lists what went over the wire, shortened.
function showFrame(way, text) {
  const [item, part] = clone('frame');
  item.dataset.way = way;
  part('way').textContent = way === 'out' ? 'Sent:' : 'Received:';
  const shown = withoutSecrets(text);
  part('text').textContent = shown.length > 240 ? `${shown.slice(0, 240)} …` : shown;
  $('frames').append(item);
  if ($('frames').childElementCount > maxFrames) $('frames').firstElementChild.remove();
}
