// The Curfew guard: reports what a person does, shows the Logout dialog, and leaves when the session has ended. The
// server decides about the session; this script only tells and asks. It runs in any page, so it needs nothing of
// that page, and no more of its Content-Security-Policy than script-src and connect-src 'self'.
//
//   <script src="/.curfew/guard.js" defer></script>
//
// The data attributes session, signin and signout say where these are, if not below /.curfew.
//
// It dispatches on document: curfew:state (detail: the session as the server told it), curfew:sessions (sessions that
// this person may see have changed), curfew:stream (detail.live: whether changes arrive by themselves), curfew:leaving
// (detail.leaving: whether the page is about to make way for the sign-in page, so that nothing else should navigate).
(() => {
  'use strict';

  // A page may have two of these tags: one of its own, and one that was put in on the way.
  const GUARD = Symbol.for('curfew.guard');
  if (window[GUARD]) return;
  const shared = {}; // what the guards of frames may call
  Object.defineProperty(window, GUARD, { value: shared });

  // Addresses are made whole, for a page's <base> may point elsewhere.
  const given = document.currentScript?.dataset ?? {};
  const whole = (path) => new URL(path, location.href).href;
  const SESSION = whole(given.session ?? '/.curfew/api/v1/session');
  const SIGNIN = whole(given.signin ?? '/.curfew/signin');
  const SIGNOUT = whole(given.signout ?? '/.curfew/signout');

  const REPORT_EVERY = 5_000; // ms; well below the shortest lifetime, 30 s
  const POLL_EVERY = 4_000;
  const TIMEOUT = 10_000;
  const SILENCE = 20_000; // the stream says something every 15 s
  const SIGNED_OUT = 'signed-out'; // the reason of a session that its owner ended
  const SPOKEN = [30, 10, 5]; // seconds left, told to who can't see the number

  // ---- Input -----------------------------------------------------------------------------------------------------

  // Scrolling is known by the wheel, the finger or the key that causes it, for a script can scroll as well.
  const INPUT = ['pointerdown', 'pointermove', 'keydown', 'touchstart', 'touchmove', 'wheel', 'input', 'click'];

  function watchInput(report) {
    let x, y;
    const seen = (e) => {
      if (!e.isTrusted || document.hidden) return;
      if (e.type === 'pointermove') {
        // Browsers may send a move when the page moves under a pointer at rest. That is no input.
        const moved = x !== undefined && (e.screenX !== x || e.screenY !== y);
        [x, y] = [e.screenX, e.screenY];
        if (!moved) return;
      }
      report();
    };
    keepListening(() => {
      for (const type of INPUT) addEventListener(type, seen, { capture: true, passive: true });
    });
  }

  // keepListening adds listeners, and adds them again when the page is written anew, by which everything in it loses its
  // listeners. Those that are still there are not added twice.
  function keepListening(listen) {
    listen();
    new MutationObserver(listen).observe(document, { childList: true });
  }

  // throttle calls f at once, then at most once an interval; what came in between is not lost but late.
  function throttle(f, interval) {
    let last = -Infinity, timer;
    const run = () => { timer = undefined; last = performance.now(); f(); };
    const call = () => {
      if (timer !== undefined) return;
      const wait = last + interval - performance.now();
      if (wait <= 0) run(); else timer = setTimeout(run, wait);
    };
    call.flush = () => { if (timer !== undefined) { clearTimeout(timer); run(); } };
    return call;
  }

  // A frame of the same origin tells the top window's guard what is done in it, and does nothing else. It calls it, for a
  // message would puzzle a page that has no guard.
  if (window !== window.top) {
    watchInput(throttle(() => {
      try { window.top[GUARD]?.input(); } catch { /* a foreign top: not our page */ }
    }, 1_000));
    return;
  }

  // ---- The server's clock ----------------------------------------------------------------------------------------

  // What the client's wall clock says is never used, only how much time has passed. Each answer bounds the server's
  // clock: it read server_time after the request left and before the answer came.
  const clock = { offset: 0, error: Infinity, drift: Date.now() - performance.now() };

  const serverNow = () => performance.now() + clock.offset;
  const untilServer = (time) => Date.parse(time) - serverNow();

  function measure(serverTime, sent, received) {
    const error = (received - sent) / 2;
    // A quick answer tells more than a slow one; but an old one is forgotten bit by bit, for quartz drifts.
    if (error > clock.error) { clock.error += 5; return; }
    Object.assign(clock, { error, offset: Date.parse(serverTime) - (sent + received) / 2 });
  }

  // A message from the stream bounds the server's clock from below only.
  const measureLate = (serverTime) => {
    clock.offset = Math.max(clock.offset, Date.parse(serverTime) - performance.now());
  };

  // clockJumped reports that wall clock and elapsed time have parted: the machine slept, or its clock was set. The
  // elapsed time may have stood still, so it is measured afresh.
  function clockJumped() {
    const drift = Date.now() - performance.now();
    if (Math.abs(drift - clock.drift) < 2_000) return false;
    Object.assign(clock, { drift, error: Infinity });
    return true;
  }

  // ---- The session -----------------------------------------------------------------------------------------------

  let session; // what the server said last
  let leaving = false, unreachable = false;
  let silenced = false; // by the page's policy

  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`curfew:${name}`, { detail }));

  // call returns the session in the answer, or null if there is none any more. It throws if nobody knows.
  async function call(method, path, options) {
    const sent = performance.now();
    const answer = await fetch(path, {
      method, cache: 'no-store', credentials: 'same-origin', redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT), ...options,
      headers: { Accept: 'application/json', 'Curfew-Passive': '1', ...options?.headers },
    });
    const received = performance.now();
    if (answer.status === 401) return null;
    if (!answer.ok) throw new Error(`${method} ${path}: status ${answer.status}`);
    const doc = await answer.json();
    measure(doc.server_time, sent, received);
    return doc;
  }

  let asking; // gives up the question under way
  let nextAsk = 0; // not before, unless there is reason to hurry

  function ask() {
    if (!asking) askAfresh();
  }

  // askAfresh gives up a question under way: if it was asked before time stood still, its answer may never come.
  function askAfresh() {
    asking?.abort();
    asking = undefined;
    if (leaving || silenced) return; // there may be no session any more, and this page is not who tells
    const mine = asking = new AbortController();
    const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(TIMEOUT)]);
    const unlessGivenUp = (then) => (doc) => {
      if (asking !== mine) return;
      asking = undefined;
      then(doc);
    };
    // A service worker of the app's that keeps answers has none for an address that was never asked before.
    const afresh = `${SESSION}${SESSION.includes('?') ? '&' : '?'}at=${Date.now()}`;
    call('GET', afresh, { signal }).then(unlessGivenUp(running ? learn : begin), unlessGivenUp(missed));
  }

  function learn(doc) {
    unreachable = false;
    nextAsk = performance.now() + 300;
    if (!doc) { post({ ask: true }); return leave(SIGNED_OUT); }
    post({ session: doc });
    if (session && doc.id !== session.id) return leaving ? undefined : go(() => location.reload()); // somebody signed in anew: this page is not theirs
    adopt(doc);
  }

  function missed() {
    unreachable = true;
    nextAsk = performance.now() + 2_000;
    if (!running) setTimeout(start, 5_000);
  }

  function adopt(doc) {
    if (leaving || isStale(doc)) return;
    session = doc;
    tell('state', doc);
    if (doc.state === 'ended') return leave(doc.reason);
    if (doc.state === 'expiring') dialog.show(); else dialog.hide();
    pulse();
  }

  // Answers may overtake each other. Times are all written alike, so they compare as text.
  function isStale(doc) {
    if (!session || doc.state === 'ended') return false;
    if (doc.last_active_at !== session.last_active_at) return doc.last_active_at < session.last_active_at;
    return doc.server_time < session.server_time;
  }

  // leave says why only if somebody has signed out in this browser: then the token is gone or about to go, by which the sign-in
  // page knows everything else.
  function leave(reason) {
    if (leaving) return;
    const url = new URL(SIGNIN);
    if (reason === SIGNED_OUT) url.searchParams.set('ended', reason);
    url.searchParams.set('next', location.pathname + location.search + location.hash);
    go(() => location.replace(url));
  }

  // go empties the page and navigates, once: to open a document, or to navigate again, would break a navigation off that takes its time.
  function go(navigate) {
    setLeaving(true);
    stop();
    try { empty(); } catch { /* the page is not HTML, or has made something else of what this calls: it goes as it is */ }
    navigate();
  }

  // empty takes everything out of a page whose session is over, before it goes. A page that opens a document anew loses its listeners and frames
  // too: else any of them could have the browser ask whether to leave ("beforeunload"). Whoever has gone does not answer, the page
  // would stay to be read, and what is unsaved in it can't be saved any more.
  function empty() {
    const root = make('html');
    if (document.documentElement) root.style.colorScheme = scheme(); // no white flash
    Document.prototype.open.call(document); // a form may be called open
    hush();
    document.replaceChildren(root); // what was stopped while it was loading is not opened anew, but says nothing
    dialog.hide();
  }

  // hush keeps to itself that the scripts of an emptied page, which run on for a moment, miss what was in it: no fault of theirs.
  function hush() {
    for (const type of ['error', 'unhandledrejection']) {
      addEventListener(type, (e) => {
        e.stopImmediatePropagation();
        e.preventDefault();
      }, true);
    }
  }

  function setLeaving(now) {
    leaving = now;
    tell('leaving', { leaving });
  }

  // A form that signs out leads to a page of its own, which the stream's news of the end must not overtake. Should the
  // navigation come to nothing, the guard is back soon.
  function onSubmit({ target, submitter, defaultPrevented }) {
    const action = submitter?.getAttribute('formaction') ?? target.getAttribute('action') ?? '';
    if (defaultPrevented || !URL.canParse(action, document.baseURI)) return;
    const to = new URL(action, document.baseURI);
    if (to.origin + to.pathname !== SIGNOUT) return;
    setLeaving(true);
    setTimeout(() => { setLeaving(false); look(); }, 10_000);
  }

  let input; // when there was some last, by both clocks

  const report = throttle(() => {
    // The elapsed time may have stood still meanwhile, and the wall clock may have been set: the longer one counts.
    const age = Math.max(performance.now() - input.elapsed, Date.now() - input.wall);
    call('POST', `${SESSION}/activity`, {
      keepalive: true, headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ age_ms: Math.min(Math.round(age), 2 ** 31) }),
    }).then(learn, () => {});
  }, REPORT_EVERY);

  // A policy in the page's markup, which nobody can amend on the way, may forbid to talk to the server. Then there is nothing to do
  // but to keep quiet: the server ends the session by itself.
  function onViolation(e) {
    if (!e.isTrusted || e.disposition !== 'enforce' || e.effectiveDirective !== 'connect-src' || !e.blockedURI.startsWith(SESSION)) return;
    silenced = true;
    stop();
    dialog.hide();
  }

  function onInput() {
    if (!running || dialog.isOpen()) return; // pointer and keys in front of the Logout dialog are its answer, not activity
    input = { elapsed: performance.now(), wall: Date.now() };
    report();
  }

  async function extend() {
    await dialog.during(async () => learn(await call('POST', `${SESSION}/extend`)));
  }

  async function signOut() {
    await dialog.during(async () => {
      setLeaving(true); // so the stream's news of the end takes nobody to the page with a way back
      try {
        const answer = await fetch(SIGNOUT, { method: 'POST', credentials: 'same-origin', redirect: 'manual' });
        if (!answer.ok && answer.type !== 'opaqueredirect') throw new Error(`sign-out: status ${answer.status}`);
      } catch (e) {
        setLeaving(false);
        throw e;
      }
      post({ ask: true });
      go(() => location.replace(SIGNIN));
    });
  }

  // ---- The heartbeat ---------------------------------------------------------------------------------------------

  let running = false, timer;
  let due; // when the next pulse should come
  let heard = -Infinity; // when the stream, ours or another tab's, last said something
  let live; // whether it does

  // wake is for when time stood still or the network was gone. What was under way may have died unnoticed.
  function wake() {
    hangUp();
    askAfresh();
  }

  // stoodStill reports that time seems to have stood still since the last pulse. In a hidden tab timers are just slow.
  const stoodStill = () => clockJumped() || (!document.hidden && performance.now() > due + 5_000);

  // overdue is how long ago, in ms, the session's state should have changed; negative before. Then the server is asked.
  // The stream should bring the dialog by itself, so it gets a moment's advantage.
  function overdue() {
    return session.state === 'active' ? -untilServer(session.idle_at) - 150 : -untilServer(session.ends_at);
  }

  function pulse() {
    clearTimeout(timer);
    if (!running) return;
    const now = performance.now(), late = overdue();
    setLive(now - heard < SILENCE);
    if (stoodStill()) wake();
    else if (late >= 0 && now >= nextAsk) ask();
    else if (!live && !document.hidden && now >= nextAsk + POLL_EVERY) poll();
    if (unreachable && late >= 0) dialog.show(); // as far as anybody knows
    dialog.draw();
    const rest = dialog.isOpen() ? 200 : Math.min(Math.max(-late, 200), 1_000);
    due = now + rest;
    timer = setTimeout(pulse, rest);
  }

  function poll() {
    ask();
    tell('sessions'); // perhaps: without the stream nobody says
  }

  function setLive(now) {
    if (live === now) return;
    live = now;
    tell('stream', { live });
  }

  // ---- The stream, held by one tab for all --------------------------------------------------------------------------

  // Over HTTP/1.1 a browser opens six connections to a host: a stream a tab would hang the seventh tab.
  const NAME = `curfew ${SESSION}`;
  let channel, stop = () => {};
  let leader = false, hangUp = () => {}; // for the stream to begin anew, if this tab holds it

  const post = (message) => channel?.postMessage(message);

  function onMessage({ data }) {
    if (data.hello && leader && live) post({ live: true });
    if ('live' in data) onLife(data.live);
    if (data.sessions) tell('sessions');
    if (data.ask) ask();
    if (data.session && session) hear(data.session);
  }

  function onLife(alive) {
    heard = alive ? performance.now() : -Infinity;
    pulse();
  }

  function shareLife(alive) {
    post({ live: alive });
    onLife(alive);
  }

  async function lead(signal) {
    if (!navigator.locks) return follow(signal); // not a secure context: one a tab
    try {
      await navigator.locks.request(NAME, { signal }, () => follow(signal));
    } catch { /* stopped while waiting */ }
  }

  async function follow(signal) {
    leader = true;
    for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 15_000)) {
      const attempt = new AbortController();
      hangUp = () => attempt.abort();
      const over = AbortSignal.any([signal, attempt.signal]);
      try {
        await readStream(over, () => { wait = 500; });
      } catch { /* broken, silent or refused: again, later */ }
      if (signal.aborted) break;
      shareLife(false);
      await pause(wait * (0.75 + Math.random() / 2), over);
    }
    leader = false;
  }

  const pause = (time, signal) => new Promise((done) => {
    setTimeout(done, signal.aborted ? 0 : time);
    signal.addEventListener('abort', done, { once: true });
  });

  // readStream is not an EventSource, which hides the server's signs of life and an answer's status.
  async function readStream(signal, alive) {
    let watchdog;
    const listen = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(hangUp, SILENCE);
    };
    listen();
    try {
      const answer = await fetch(`${SESSION}/events`, {
        cache: 'no-store', credentials: 'same-origin', redirect: 'error',
        headers: { Accept: 'text/event-stream' }, signal,
      });
      if (answer.status === 401) ask();
      if (!answer.ok) throw new Error(`events: status ${answer.status}`);
      let rest = '';
      for await (const text of chunks(answer.body.pipeThrough(new TextDecoderStream()))) {
        listen();
        alive();
        shareLife(true);
        const messages = (rest + text).split('\n\n');
        rest = messages.pop();
        messages.forEach(receive);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  // chunks is for await over a stream, which not every browser can do by itself.
  async function* chunks(stream) {
    const reader = stream.getReader();
    for (let part; !(part = await reader.read()).done;) yield part.value;
  }

  function receive(message) {
    const field = (name) => message.match(new RegExp(`^${name}: ?(.*)$`, 'm'))?.[1];
    if (field('event') === 'sessions') {
      post({ sessions: true });
      tell('sessions');
    }
    if (field('event') === 'session') {
      const doc = JSON.parse(field('data'));
      post({ session: doc });
      hear(doc);
    }
  }

  // hear takes news that somebody else asked for. Of another session: then this page may be out of date, or they.
  function hear(doc) {
    if (doc.id !== session.id) return void ask();
    measureLate(doc.server_time);
    adopt(doc);
  }

  // ---- The Logout dialog -----------------------------------------------------------------------------------------

  const CSS = `
    :host { all: initial !important; color-scheme: var(--scheme, light dark) !important; }
    dialog {
      --accent: var(--curfew-accent, light-dark(#4f46e5, #8587ff));
      --surface: var(--curfew-surface, light-dark(#ffffff, #1d1d27));
      --text: var(--curfew-text, light-dark(#1b1b26, #f3f3fa));
      --on-accent: var(--curfew-on-accent, light-dark(#ffffff, #0e0e1a));
      --soft: color-mix(in oklab, var(--text) 72%, var(--surface));
      box-sizing: border-box; width: min(400px, calc(100vw - 32px)); max-height: calc(100dvh - 32px); overflow: auto;
      margin: auto; padding: 34px 26px 26px; border: 1px solid color-mix(in oklab, var(--text) 14%, transparent);
      border-radius: 18px; color: var(--text); background: var(--surface); box-shadow: 0 24px 64px rgb(0 0 0 / .35);
      font: 400 15px/1.45 var(--curfew-font, system-ui, sans-serif); text-align: center;
    }
    dialog::backdrop { background: rgb(8 8 16 / .6); backdrop-filter: blur(6px); }
    .ring { position: relative; width: 140px; height: 140px; margin: 0 auto 20px; }
    svg { width: 100%; height: 100%; transform: rotate(-90deg); }
    circle { fill: none; stroke: color-mix(in oklab, var(--text) 13%, transparent); stroke-width: 8; }
    .left { stroke: var(--accent); stroke-linecap: round; transition: stroke-dashoffset .2s linear; }
    .count { position: absolute; inset: 0; display: grid; place-content: center; color: var(--soft); font-size: 13px; }
    .number { color: var(--text); font-size: 40px; font-weight: 650; line-height: 1.1; font-variant-numeric: tabular-nums; }
    h2 { margin: 0 0 8px; font-size: 20px; font-weight: 650; line-height: 1.3; }
    p { margin: 0; color: var(--soft); text-wrap: balance; overflow-wrap: anywhere; }
    p span { display: block; }
    .problem { margin-top: 12px; color: light-dark(#b3261e, #ffb4ab); font-weight: 550; }
    .problem:empty { display: none; }
    button {
      display: block; box-sizing: border-box; width: 100%; min-height: 44px; margin-top: 24px; padding: 10px 16px;
      border: 1px solid transparent; border-radius: 11px; color: var(--on-accent); background: var(--accent);
      font: inherit; font-weight: 600; cursor: pointer;
    }
    button + button { margin-top: 8px; color: var(--soft); background: transparent; }
    button:hover { filter: brightness(1.08); }
    button + button:hover { color: var(--text); background: color-mix(in oklab, var(--text) 8%, transparent); }
    button:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
    button[aria-disabled=true] { opacity: .65; cursor: progress; }
    .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @media (max-height: 480px) {
      dialog { padding: 14px 20px; } .ring { width: 72px; height: 72px; margin-bottom: 6px; }
      .number { font-size: 26px; } .unit { display: none; } h2 { margin: 0; } button { margin-top: 12px; } button + button { margin-top: 4px; }
    }
    @media (prefers-reduced-motion: reduce) { .left { transition: none; } }
    @media (prefers-reduced-transparency: reduce) { dialog::backdrop { backdrop-filter: none; } }
    @media print { dialog, dialog::backdrop { display: none; } }
    @media (forced-colors: active) {
      button { border-color: ButtonText; } circle { stroke: GrayText; } .left { stroke: Highlight; }
      button:focus-visible { outline-color: Highlight; }
    }`;

  const CIRCLE = 2 * Math.PI * 62;

  // make builds an element without markup in strings, which a page's Trusted Types would refuse.
  function make(name, attributes = {}, ...children) {
    const svg = name === 'svg' || name === 'circle';
    const element = svg ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  const dialog = (() => {
    const number = make('span', { class: 'number' });
    const unit = make('span', { class: 'unit' });
    const arc = make('circle', { class: 'left', cx: 70, cy: 70, r: 62, 'stroke-dasharray': CIRCLE });
    const ring = make('div', { class: 'ring', 'aria-hidden': 'true' },
      make('svg', { viewBox: '0 0 140 140' }, make('circle', { cx: 70, cy: 70, r: 62 }), arc),
      make('div', { class: 'count' }, number, unit));
    const text = make('p', { id: 'text' });
    const problem = make('p', { class: 'problem', role: 'alert' });
    const spoken = make('div', { class: 'spoken', 'aria-live': 'polite' });
    const buttons = [make('button', { type: 'button' }, 'Extend Session'), make('button', { type: 'button' }, 'Log out now')];
    const box = make('dialog', { role: 'alertdialog', 'aria-modal': 'true', 'aria-labelledby': 'title', 'aria-describedby': 'text' },
      ring, make('h2', { id: 'title' }, 'Logout'), text, problem, ...buttons, spoken);
    const host = make('curfew-guard');
    let back; // focus and caret before
    let hidden; // a root that the page does not show at all, with what its style said
    let busy = false, failed = false, said = Infinity;

    function build() {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
      const root = host.attachShadow({ mode: 'open' });
      root.adoptedStyleSheets = [sheet];
      root.append(box);
      // The page's own shortcuts must not see what is typed here.
      const keep = (e) => e.stopPropagation();
      keepListening(() => {
        buttons[0].addEventListener('click', extend);
        buttons[1].addEventListener('click', signOut);
        box.addEventListener('pointerdown', onPointer);
        box.addEventListener('cancel', onCancel);
        for (const type of ['keydown', 'keypress', 'keyup', 'pointerdown', 'click']) box.addEventListener(type, keep);
        addEventListener('keydown', onKey, true);
        document.addEventListener('toggle', onOther, true);
        document.addEventListener('fullscreenchange', onOther, true);
      });
    }

    function onPointer(e) {
      if (isOutside(e)) extend();
    }

    // onCancel is the back gesture.
    function onCancel(e) {
      e.preventDefault();
      extend();
    }

    // What else comes to the front, such as the page's own dialog, would cover this one, and make it unusable.
    function onOther({ type, target, newState }) {
      if (!box.open || target === host || (type === 'toggle' ? newState !== 'open' : !document.fullscreenElement)) return;
      box.close();
      present();
    }

    function isOutside({ target, clientX: x, clientY: y }) {
      const r = box.getBoundingClientRect();
      return target === box && (x < r.left || x > r.right || y < r.top || y > r.bottom);
    }

    function onKey(e) {
      if (!box.open) return;
      if (e.key === 'Escape') {
        e.preventDefault(); // or a browser closes the dialog at the second one, whatever its cancel event is told
        extend();
      }
      if (e.key === 'Tab') {
        e.preventDefault();
        buttons[host.shadowRoot.activeElement === buttons[0] ? 1 : 0].focus();
      }
    }

    function show() {
      if (!host.shadowRoot) build();
      attach();
      text.replaceChildren(`You have been inactive for more than ${words(session.lifetime_seconds)}. `,
        make('span', {}, `Your session will end at ${timeOfDay(session.ends_at)}.`));
      if (box.open) return;
      host.style.setProperty('--scheme', scheme());
      back = place();
      said = Infinity;
      failed = false;
      spoken.textContent = '';
      present();
    }

    // attach puts the dialog into the page, not in body, which pages replace. Some replace everything: out of the page, a
    // dialog is said to be open, and stands in front of nothing.
    function attach() {
      if (host.isConnected) return;
      if (box.open) box.close();
      document.documentElement.append(host);
    }

    function present() {
      const root = document.documentElement;
      if (getComputedStyle(root).display === 'none') {
        hidden = { root, value: root.style.getPropertyValue('display'), priority: root.style.getPropertyPriority('display') };
        root.style.setProperty('display', 'block', 'important');
      }
      // A telephone shows a page that was not made for it small as a whole. To be read and hit, this must not be.
      box.style.zoom = Math.max(1, 1 / visualViewport.scale);
      box.showModal();
      buttons[0].focus();
    }

    function hide() {
      if (!box.open) return;
      box.close();
      for (const words of [text, number, unit, problem, spoken]) words.replaceChildren(); // nobody shall find old ones there
      hidden?.root.style.setProperty('display', hidden.value, hidden.priority);
      hidden = undefined;
      restore(back);
    }

    // draw shows whole seconds that are certainly left: 0 before the deadline, never after.
    function draw() {
      if (!box.open) return;
      if (!host.isConnected) { attach(); present(); }
      const left = Math.max(0, untilServer(session.ends_at) - Math.min(clock.error, 500));
      number.textContent = Math.floor(left / 1000);
      const whole = Date.parse(session.ends_at) - Date.parse(session.idle_at) || 1;
      arc.style.strokeDashoffset = CIRCLE * (1 - Math.min(1, left / whole));
      unit.textContent = number.textContent === '1' ? 'second left' : 'seconds left';
      complain(failed ? 'That did not reach the server. Please try again.' : unreachable ? 'The server can’t be reached.' : '');
      speak(Math.ceil(left / 1000));
    }

    // complain touches the text only if it is new, or it would be read out each time.
    function complain(message) {
      if (problem.textContent !== message) problem.textContent = message;
    }

    function speak(seconds) {
      const due = SPOKEN.filter((s) => s >= seconds).at(-1);
      if (due === undefined || due >= said) return;
      said = due;
      spoken.textContent = `${seconds} ${seconds === 1 ? 'second' : 'seconds'} left.`;
    }

    // during runs what a button does, once at a time, and says if it failed.
    async function during(action) {
      if (busy) return;
      setBusy(true);
      failed = false;
      try {
        await action();
      } catch {
        failed = true;
      }
      setBusy(false);
      draw();
    }

    function setBusy(now) {
      busy = now;
      for (const b of buttons) b.setAttribute('aria-disabled', now);
    }

    return { show, hide, draw, during, isOpen: () => box.open };
  })();

  // place is where the focus is, through open shadow roots, and what is selected in the page.
  function place() {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    const selection = getSelection();
    return { element, range: selection?.rangeCount ? selection.getRangeAt(0) : undefined };
  }

  function restore({ element, range }) {
    if (element?.isConnected) element.focus({ preventScroll: true });
    if (!range || element?.matches('input, textarea')) return; // these keep their own caret
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  // scheme follows the page, where it has decided on light or dark, else the person's wish.
  function scheme() {
    const root = document.documentElement;
    const said = [root.dataset.theme, getComputedStyle(root).colorScheme].find((s) => s === 'light' || s === 'dark');
    return said ?? 'light dark';
  }

  function words(seconds) {
    const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
    const parts = [];
    for (const [name, size] of units) {
      const n = Math.floor(seconds / size);
      seconds %= size;
      if (n) parts.push(`${n} ${name}${n === 1 ? '' : 's'}`);
    }
    return parts.join(', ');
  }

  function timeOfDay(time) {
    return new Date(time).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  }

  // ---- Start -----------------------------------------------------------------------------------------------------

  function start() {
    if (!running) ask();
  }

  function begin(doc) {
    if (!doc) return absent();
    running = true;
    heard = performance.now() - SILENCE + 5_000; // the stream has 5 s to begin
    const stopped = new AbortController();
    channel = new BroadcastChannel(NAME);
    channel.addEventListener('message', onMessage);
    stop = () => { running = false; clearTimeout(timer); stopped.abort(); channel?.close(); channel = undefined; };
    learn(doc);
    if (!running) return;
    tellSignIn();
    post({ hello: true });
    lead(stopped.signal);
  }

  // absent is for a page where nobody is signed in. One that had a session has come by "back". One that the browser kept by itself
  // may be from a session too, and is asked for anew: the server knows whether everybody may see it.
  function absent() {
    if (session) return leave(SIGNED_OUT);
    const [{ type, transferSize, workerStart } = {}] = performance.getEntriesByType('navigation');
    if (transferSize !== 0 || workerStart || type === 'reload') return; // a service worker would say the same again
    go(() => location.reload());
  }

  // Sign-in pages in other tabs need not be filled in any more.
  function tellSignIn() {
    const waiting = new BroadcastChannel('curfew-signin');
    waiting.postMessage(true);
    waiting.close();
  }

  const look = () => {
    askAfresh();
    pulse();
  };

  function onVisibility() {
    if (document.hidden) report.flush(); else look();
  }

  // The sign-in page has no session to guard, and would be sent to itself.
  if (new URL(SIGNIN).pathname === location.pathname) return;
  const onHide = () => stop();
  const onShow = (e) => { if (e.persisted) { setLeaving(false); askAfresh(); } };
  // An app that moves by the Navigation API shall not take where the guard goes for its own.
  window.navigation?.addEventListener?.('navigate', (e) => { if (leaving) e.stopImmediatePropagation(); });
  watchInput(onInput);
  shared.input = onInput;
  keepListening(() => {
    addEventListener('submit', onSubmit);
    addEventListener('visibilitychange', onVisibility, true);
    document.addEventListener('resume', wake); // after a freeze
    document.addEventListener('securitypolicyviolation', onViolation);
    addEventListener('online', wake);
    addEventListener('pagehide', onHide);
    addEventListener('pageshow', onShow);
  });
  if (document.prerendering) document.addEventListener('prerenderingchange', start, { once: true });
  else start();
})();
