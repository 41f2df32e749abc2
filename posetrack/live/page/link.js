// The WebSocket to the server: reconnects by itself, and requests no images in a hidden tab.

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

export class Link {
  #socket = null;
  #retry_ms = FIRST_RETRY_MS;
  #timer = null;
  #number = null;
  #on;

  // on: {state, image, error, open, closed}; image is awaited before the next one is asked for.
  constructor(on) {
    this.#on = on;
    document.addEventListener("visibilitychange", () => this.#follow_visibility());
  }

  connect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const url = new URL("ws", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = url.hash = "";
    const socket = new WebSocket(url);
    socket.binaryType = "blob";
    socket.addEventListener("open", () => {
      this.#retry_ms = FIRST_RETRY_MS;
      this.send({ watch: !document.hidden });
      this.#on.open();
    });
    socket.addEventListener("message", (event) => this.#take(socket, event.data));
    socket.addEventListener("close", (event) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#on.closed(event.reason, this.#retry_ms);
    });
    this.#socket = socket;
  }

  // Reconnect after the delay that `closed` was given.
  retryLater() {
    this.#timer = setTimeout(() => this.connect(), this.#retry_ms);
    this.#retry_ms = Math.min(2 * this.#retry_ms, LONGEST_RETRY_MS);
  }

  // Returns whether there was a connection to send it through.
  send(command) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(command));
    return true;
  }

  async #take(socket, data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.error) this.#on.error(message.error);
      else {
        this.#number = message.image ?? this.#number;
        this.#on.state(message.state, message.image !== null);
      }
      return;
    }
    const number = this.#number;
    try {
      await this.#on.image(data);
    } finally {
      if (socket === this.#socket) this.send({ ack: number });
    }
  }

  #follow_visibility() {
    if (!this.send({ watch: !document.hidden }) && !document.hidden && this.#timer !== null) this.connect();
  }
}
