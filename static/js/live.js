/*
 * Live events for portal and console pages. No dependency.
 *
 *   <script src="…/live.js" data-as="client" data-since="41" defer></script>
 *
 * data-as     "staff" or "client": whose events, for a login that is both.
 * data-since  the sequence number that the page was rendered at; what came after it is replayed.
 * data-path   another path than /ws/events/.
 *
 * On `document`:
 *   tandem:event  detail = the event frame {audience, sequence, kind, payload, at}
 *   tandem:reset  what was missed cannot be replayed: load the page's state again
 *   tandem:state  detail = "connecting" | "live" | "waiting" | "signed-out"
 * The state is also the attribute data-live of <html>, for styles.
 */
(function () {
  "use strict";

  var FIRST_DELAY_MS = 500;
  var LONGEST_DELAY_MS = 15000;
  var PING_EVERY_MS = 25000;
  var ANSWER_WITHIN_MS = 10000;
  var SIGNED_OUT = 4401;

  var script = document.currentScript;
  var options = script ? script.dataset : {};
  var last = /^\d+$/.test(options.since || "") ? Number(options.since) : null;
  var audience = null;
  var socket = null;
  var failures = 0;
  var retryTimer = 0;
  var pingTimer = 0;
  var answerTimer = 0;
  var stopped = false;

  function tell(name, detail) {
    document.dispatchEvent(new CustomEvent("tandem:" + name, { detail: detail }));
  }

  function show(state) {
    if (document.documentElement.dataset.live !== state) {
      document.documentElement.dataset.live = state;
      tell("state", state);
    }
  }

  function address() {
    var url = new URL(options.path || "/ws/events/", window.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (options.as) {
      url.searchParams.set("as", options.as);
    }
    if (last !== null) {
      url.searchParams.set("since", String(last));
    }
    return url.href;
  }

  function connect() {
    if (socket || stopped) {
      return;
    }
    window.clearTimeout(retryTimer);
    show(failures ? "waiting" : "connecting");
    var current = new WebSocket(address());
    socket = current;
    current.onmessage = function (message) {
      if (socket === current) {
        receive(JSON.parse(message.data));
      }
    };
    current.onclose = function (event) {
      if (socket === current) {
        closed(event.code);
      }
    };
  }

  function receive(frame) {
    expectPing();
    if (frame.type === "hello") {
      failures = 0;
      show("live");
      if (audience !== null && audience !== frame.audience) {
        last = frame.sequence;
        tell("reset", frame);
      }
      audience = frame.audience;
      if (last === null) {
        last = frame.sequence;
      }
    } else if (frame.type === "reset") {
      last = frame.sequence;
      tell("reset", frame);
    } else if (frame.type === "event" && (last === null || frame.sequence > last)) {
      last = frame.sequence;
      tell("event", frame);
    }
  }

  function closed(code) {
    socket = null;
    window.clearTimeout(pingTimer);
    window.clearTimeout(answerTimer);
    if (code === SIGNED_OUT) {
      stopped = true;
      show("signed-out");
      return;
    }
    if (stopped) {
      return;
    }
    var delay = Math.min(FIRST_DELAY_MS * Math.pow(2, failures), LONGEST_DELAY_MS);
    failures += 1;
    show("waiting");
    // Spread out: a restarted server is not met by all browsers at the same moment.
    retryTimer = window.setTimeout(connect, delay * (0.5 + Math.random() / 2));
  }

  /* A connection that a sleeping laptop or a dead network left half open looks fine from here;
     only an unanswered question shows it. */
  function expectPing() {
    window.clearTimeout(answerTimer);
    window.clearTimeout(pingTimer);
    pingTimer = window.setTimeout(ask, PING_EVERY_MS);
  }

  function ask() {
    window.clearTimeout(pingTimer);
    window.clearTimeout(answerTimer);
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      return;
    }
    socket.send("ping");
    answerTimer = window.setTimeout(drop, ANSWER_WITHIN_MS);
  }

  function drop() {
    if (socket) {
      var dead = socket;
      closed(1006);
      dead.close();
    }
  }

  function nudge() {
    if (document.visibilityState === "hidden") {
      return;
    }
    if (socket) {
      ask();
    } else {
      failures = 0;
      connect();
    }
  }

  window.addEventListener("online", nudge);
  document.addEventListener("visibilitychange", nudge);
  window.addEventListener("pagehide", function () {
    var leaving = socket;
    socket = null;
    window.clearTimeout(retryTimer);
    window.clearTimeout(pingTimer);
    window.clearTimeout(answerTimer);
    if (leaving) {
      leaving.close();
    }
  });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) {
      nudge();
    }
  });

  connect();
})();
