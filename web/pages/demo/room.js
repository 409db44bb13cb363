// After joining: the connection to the server, the users who are online, and conversations
// with them.

import { Conversation } from './conversation.js';
import { invite } from './invite.js';
import { announce, forget, notice, showFrame } from './notices.js';
import { Oodaa } from './oodaa.js';
import { fill } from './people.js';
import { pin, pins } from './pins.js';
import { Volli } from './volli.js';
import { isAbout } from './words.js';

const $ = (id) => document.getElementById(id);
const maxConversations = 50; // of those that others begin
const newsFor = 10_000; // ms for which "the server is back" is shown

let signal = null; // Oodaa or Volli
let me = '';
let selected = null; // a name
let calling = null; // the one Conversation that has a call
let online = [];
let missing = []; // names that are looked for in vain
let watching = false; // the server tells only of those who are pinned
let leave; // the way back to the form
let countdown; // timer
let news; // timer
const conversations = new Map(); // name → Conversation
const unread = new Set(); // names of those from whom something is new

$('leave').onclick = () => end('');
$('retry').onclick = () => signal?.retry();
$('find').onsubmit = (event) => {
  event.preventDefault();
  find($('find-name').value.trim());
};
window.addEventListener('online', () => {
  signal?.retry();
  for (const conversation of conversations.values()) conversation.moved();
});
document.addEventListener('visibilitychange', () => document.hidden || signal?.retry());
// The others need not wait until they notice.
window.addEventListener('pagehide', () => {
  for (const conversation of conversations.values()) conversation.close();
});
// A page that comes back from the browser's cache has lost its connections.
window.addEventListener('pageshow', (event) => event.persisted && signal?.retry());
invite();

// enter joins by a name. left is called at the end, with the error that caused
// it, or ''.
export function enter({ name, token, volli, left }) {
  me = name;
  leave = left;
  const Protocol = volli ? Volli : Oodaa;
  watching = !volli && document.body.dataset.presence === 'watched';
  const s = (signal = new Protocol(name, token, watching ? pins() : null));
  const mine = (does) => (...args) => s === signal && does(...args);
  s.onstate = mine(showState);
  s.onframe = mine(showFrame);
  s.onpeople = mine(showPeople);
  s.onsignal = mine(receive);
  s.onerror = mine(failed);
  $('me').textContent = name;
  $('protocol').textContent = Protocol.label;
  $('find-label').textContent = volli || watching ? 'Look for a name' : 'Message a name that is not listed';
  $('find-button').textContent = volli ? 'Look' : watching ? 'Pin' : 'Chat';
  $('find-hint').hidden = !volli;
  $('pin-hint').hidden = !watching;
  $('state').dataset.lost = '';
  $('back-again').hidden = true;
  forget();
  showPeople([], []);
  show(null);
  $('room').hidden = false;
  $('me-heading').focus();
  s.open();
}

function end(error) {
  const s = signal;
  signal = null;
  s?.close();
  clearInterval(countdown);
  for (const conversation of conversations.values()) conversation.close();
  conversations.clear();
  unread.clear();
  $('conversations').replaceChildren();
  $('room').hidden = true;
  leave(error);
}

function showState(state, detail) {
  clearInterval(countdown);
  const put = (color, words) => {
    $('state').dataset.state = color;
    $('state').textContent = words;
  };
  $('retry').hidden = state !== 'waiting';
  switch (state) {
    case 'connecting':
      put('warn', 'Connecting …');
      break;
    case 'online':
      put('good', 'Online');
      if ($('state').dataset.lost) returned();
      else announce(`You are online as ${me}.`);
      $('state').dataset.lost = '';
      break;
    case 'waiting': {
      const next = performance.now() + detail;
      const tell = () => {
        const seconds = Math.max(1, Math.ceil((next - performance.now()) / 1000));
        put('bad', `Connection lost, next try in ${seconds} s`);
      };
      tell();
      countdown = setInterval(tell, 250);
      if (!$('state').dataset.lost) lose();
      $('state').dataset.lost = 'yes';
      break;
    }
    case 'ended':
      end(detail);
      break;
  }
}

// lose shows nobody as online, since nothing is known about them.
function lose() {
  announce('The connection to the server is lost. This page tries again by itself.');
  $('back-again').hidden = true;
  for (const conversation of conversations.values()) conversation.lost();
  online = [];
  $('missed').hidden = true;
  missing = [];
  listPeople();
}

function returned() {
  announce(`The server is back. You are online as ${me}.`);
  $('back-again').hidden = false;
  clearTimeout(news);
  news = setTimeout(() => ($('back-again').hidden = true), newsFor);
}

// failed puts an error where it belongs: to the person it is about, or above.
function failed(text) {
  const conversation = conversations.get(isAbout(text));
  if (conversation) conversation.undelivered(text);
  else notice(text);
}

// People.

function find(name) {
  if (!name) return;
  $('find-name').value = '';
  if (name === me) notice('', 'That is your own name.');
  else if (watching) putPin(name, true);
  else if (signal.look) signal.look(name);
  else act(name, 'chat');
}

// showPeople shows the users who are online, and the names that are looked for in vain.
function showPeople(people, missed) {
  const before = online;
  online = people;
  const came = people.filter((name) => !before.includes(name));
  const went = before.filter((name) => !people.includes(name));
  if (came.length + went.length === 1) announce(came.length ? `${came} is online.` : `${went} has left.`);
  for (const name of went) conversations.get(name)?.left();
  for (const name of came) conversations.get(name)?.returned();
  $('missed').hidden = watching || missed.length === 0;
  $('missed-names').textContent = missed.join(', ');
  missing = missed;
  listPeople();
}

// putPin pins a name, or no longer.
function putPin(name, pinned) {
  pin(name, pinned);
  if (watching && pinned) signal.look(name);
  else if (watching) signal.forget(name);
  listPeople();
}

function listPeople() {
  const pinned = pins();
  const person = (name) => ({
    name,
    pinned: pinned.has(name),
    readable: Boolean(conversations.get(name)?.readable),
    state: conversations.get(name)?.state ?? '',
    unread: unread.has(name),
    selected: name === selected,
    act: (what) => act(name, what),
  });
  const lost = () => $('people-heading').focus();
  const readable = [...conversations.keys()].filter((name) => conversations.get(name).readable);
  const away = [...new Set(watching ? [...readable, ...missing] : readable)].filter((name) => !online.includes(name));
  const first = (name) => Number(!pinned.has(name));
  const sorted = online.toSorted((a, b) => first(a) - first(b)); // the pinned ones first
  fill($('online'), sorted.map(person), lost);
  fill($('away'), away.sort().map(person), lost);
  $('away-part').hidden = away.length === 0;
  $('count').textContent = online.length;
  $('alone').hidden = online.length > 0;
  $('none').hidden = selected !== null || online.length === 0;
}

function act(name, what) {
  if (what === 'pin') {
    putPin(name, !pins().has(name));
    return;
  }
  const conversation = conversationWith(name);
  show(name);
  conversation.focus();
  if (what !== 'chat') conversation.dial(what === 'video');
  else if (online.includes(name) || !conversation.readable) conversation.connect();
}

// Conversations.

function conversationWith(name) {
  let conversation = conversations.get(name);
  if (conversation) return conversation;
  const s = signal;
  conversation = new Conversation(name, {
    me,
    send: (...args) => (s === signal ? s.send(...args) : Promise.reject(new Error('Not connected'))),
    iceServers: () => s.iceServers(),
    announce,
    changed: () => s === signal && listPeople(),
    back: () => {
      show(null);
      $('people-heading').focus();
    },
    show,
    news: (name) => {
      if (name === selected) return;
      unread.add(name);
      listPeople();
    },
    // One call at a time.
    claim: (conversation) => {
      if (calling && calling !== conversation) return false;
      calling = conversation;
      return true;
    },
    release: (conversation) => {
      if (calling === conversation) calling = null;
    },
  });
  conversation.element.hidden = true;
  conversations.set(name, conversation);
  $('conversations').append(conversation.element);
  return conversation;
}

function receive(kind, from, body) {
  if (kind !== 'offer') {
    conversations.get(from)?.signal(kind, body);
    return;
  }
  const known = conversations.has(from);
  if (!known && conversations.size >= maxConversations) return;
  conversationWith(from).signal(kind, body);
  if (known) return;
  if (!selected) show(from);
  else if (from !== selected) unread.add(from);
  announce(`${from} opens a channel to you.`);
  listPeople();
}

function show(name) {
  selected = name;
  unread.delete(name);
  for (const [other, conversation] of conversations) conversation.element.hidden = other !== name;
  $('screens').dataset.screen = name === null ? 'people' : 'conversation';
  listPeople();
}
