// Lists in the document, of rows that are made from templates.

const maxRows = 300;

// clone returns a copy of a template's element, and how to find its parts.
export function clone(id) {
  const element = document.getElementById(id).content.firstElementChild.cloneNode(true);
  return [element, (key) => element.querySelector(`[data-part="${key}"]`)];
}

// append adds a row to a list, and returns the one that it had to drop.
export function append(list, row, most = maxRows) {
  list.append(row);
  if (list.childElementCount <= most) return undefined;
  const first = list.firstElementChild;
  first.remove();
  return first;
}

// keepAtEnd scrolls a list that grows, for those who read its end.
export function keepAtEnd(list) {
  const box = list.parentElement;
  let reading = true;
  let top = 0;
  box.onscroll = () => {
    // Only somebody who reads scrolls up.
    if (box.scrollTop < top) reading = false;
    else if (box.scrollHeight - box.scrollTop - box.clientHeight < 30) reading = true;
    top = box.scrollTop;
  };
  new ResizeObserver(() => {
    if (reading) box.scrollTop = box.scrollHeight;
  }).observe(list);
}
