// A browser starts no worker for a page that it opened as a file. There the search runs in a frame.
if (location.protocol === 'file:') {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement('iframe');
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      addEventListener('message', ({ source, data }) => {
        if (source === this.inside) this.dispatchEvent(new MessageEvent('message', { data }));
      });
      this.ready = new Promise((resolve) => { frame.onload = resolve; });
      this.inside.document.write(
        '<script>postMessage = (data) => parent.postMessage(data, "*"); importScripts = () => {};</script>' +
        `<script src="${url}"></script>`);
      this.inside.document.close();
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent('message', { data })));
    }
  };
}
