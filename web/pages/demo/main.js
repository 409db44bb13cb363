// The demo page: the form, and what lies behind it once it is needed.

import { nameOf, rememberedToken, rememberToken } from './token.js';
import { explain, suggestName } from './words.js';

const $ = (id) => document.getElementById(id);

$('name').value = suggestName();
$('token').value = rememberedToken();
$('relayed-hint').hidden = new URLSearchParams(location.search).get('relay') !== 'only';
$('token').oninput = () => {
  const name = nameOf($('token').value);
  if (name) $('name').value = name;
};
$('join-form').onsubmit = (event) => {
  event.preventDefault();
  join(new FormData(event.target).get('protocol') === 'volli');
};

async function join(volli) {
  const name = $('name').value.trim();
  const token = $('token').value.trim();
  $('join-error').hidden = true;
  if (!name) {
    refuse('Invalid user ID');
    return;
  }
  rememberToken(token);
  // The rest of the page is fetched now, so that the form is there at once.
  $('join-button').disabled = true;
  try {
    const { enter } = await import('./room.js');
    $('join').hidden = true;
    enter({ name, token, volli, left });
  } catch {
    refuse('Not connected');
  } finally {
    $('join-button').disabled = false;
  }
}

// left shows the form again, with the error that ended the visit.
function left(error) {
  $('join').hidden = false;
  if (error) refuse(error);
  (error === 'Unauthorized' ? $('token') : $('name')).focus();
}

function refuse(text) {
  // Only those who need a token are asked for one. The one of this tab may be
  // for another name.
  if (text === 'Unauthorized' || (text === 'User ID not allowed' && $('token').value)) $('token-part').hidden = false;
  const code = document.createElement('code');
  code.textContent = text;
  $('join-error').hidden = false;
  $('join-error').replaceChildren(explain(text), ' ', code);
}
