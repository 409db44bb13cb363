// Nothing here sleeps: every wait is for an event, and fails loudly when the
// event does not come.

export const DEADLINE = 20_000;

// within returns what promise resolves to, or fails after ms milliseconds
// saying what was waited for. The message may be a function, so that it can
// tell the state at the time of the failure.
export async function within(what, promise, ms = DEADLINE) {
  const late = new Error();
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => {
      late.message = `waited ${ms} ms for ${typeof what === 'function' ? what() : what}`;
      reject(late);
    }, ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

// eventually calls attempt until it returns something truthy. Each attempt has
// to wait for an event of its own, a round trip for example.
export async function eventually(what, attempt, ms = DEADLINE) {
  const end = Date.now() + ms;
  for (;;) {
    const result = await attempt();
    if (result) return result;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
  }
}
