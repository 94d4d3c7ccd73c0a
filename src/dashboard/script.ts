/** The dashboard's one script: copy buttons, and a refresh of what changes. Every page works without it. */

export const SCRIPT = `
'use strict';
function ready() {
  for (const button of document.querySelectorAll('button[data-copy]')) {
    button.hidden = false;
    button.onclick = async () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      const label = button.textContent;
      try { await navigator.clipboard.writeText(text); button.textContent = 'Copied'; }
      catch { getSelection().selectAllChildren(document.getElementById(button.dataset.copy)); button.textContent = 'Press Ctrl+C'; }
      setTimeout(() => { button.textContent = label; }, 1800);
    };
  }
}
async function refresh() {
  const old = document.querySelector('main[data-refresh]');
  if (!old || document.hidden || old.contains(document.activeElement) || !getSelection().isCollapsed) return;
  if (old.querySelector('details[open]')) return;
  try {
    const answer = await fetch(location.href, { headers: { 'x-switchgate-refresh': '1' }, redirect: 'error' });
    if (!answer.ok) return;
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
    if (next) { old.replaceWith(next); ready(); }
  } catch {
    // offline or signed out: the page stays as it is until the next try
  }
}
ready();
const seconds = Number(document.querySelector('main[data-refresh]')?.dataset.refresh);
if (seconds) setInterval(refresh, seconds * 1000);
`
