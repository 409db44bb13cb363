// The people whom the user has pinned, in this browser.

const key = 'pins';
const most = 1000; // that the server watches for one connection

// pins are their names, the newest last.
export function pins() {
  try {
    const names = JSON.parse(localStorage.getItem(key));
    return new Set(Array.isArray(names) ? names.filter((name) => typeof name === 'string').slice(-most) : []);
  } catch {
    return new Set(); // the browser keeps nothing
  }
}

// pin pins a name, or no longer.
export function pin(name, pinned) {
  const names = pins();
  names.delete(name);
  if (pinned) names.add(name);
  try {
    localStorage.setItem(key, JSON.stringify([...names].slice(-most)));
  } catch {
    // It is good for this visit only.
  }
}
