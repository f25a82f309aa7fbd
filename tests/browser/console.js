// The real console, with the small service of `shop.js` as its child.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SHOP = fileURLToPath(new URL('shop.js', import.meta.url));

/** A running console. `url` has the token. */
export class RealConsole {
  /** @param {import('node:child_process').ChildProcess} child @param {string} url */
  constructor(child, url) {
    this.child = child;
    this.url = url;
    this.origin = new URL(url).origin;
    this.token = new URL(url).hash.slice('#token='.length);
  }

  /** @param {string} binary @param {string} [listen] */
  static async start(binary, listen = '127.0.0.1:0') {
    const child = spawn(binary, ['console', '--listen', listen, '--otlp', '127.0.0.1:0', '--run', `orders=exec ${process.execPath} ${SHOP}`], { stdio: ['ignore', 'pipe', 'pipe'] });
    const url = await new Promise((/** @type {(url: string) => void} */ resolve, reject) => {
      let seen = '';
      const read = (/** @type {Buffer} */ chunk) => {
        seen += chunk.toString();
        const found = /http:\/\/\S+#token=\w+/.exec(seen);
        if (found) resolve(found[0]);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.on('exit', () => reject(new Error(`the console ended: ${seen}`)));
    });
    return new RealConsole(child, url);
  }

  /** @param {string} path */
  async api(path) {
    const response = await fetch(`${this.origin}/api/${path}`, { headers: { authorization: `Bearer ${this.token}` } });
    return response.json();
  }

  /** The address of the service, as soon as the console knows it. */
  async address() {
    for (let tries = 0; tries < 200; tries++) {
      const { services } = await this.api('state');
      if (services[0]?.address && services[0].state === 'ready') return `http://${services[0].address}`;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the service did not become ready within 10 s');
  }

  /** Restarts the service. Returns its new address. */
  async restart() {
    const { services: [before] } = await this.api('state');
    await fetch(`${this.origin}/api/services/orders/restart`, { method: 'POST', headers: { authorization: `Bearer ${this.token}` } });
    for (;;) {
      const { services: [service] } = await this.api('state');
      if (service.state === 'ready' && service.run > before.run) return `http://${service.address}`;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGINT');
    await ended;
  }
}

/**
 * One request as the clients of a small shop make them.
 * @param {string} base @param {number} seed @param {number} [every] requests between two failures
 */
export function visit(base, seed, every = 37) {
  const paths = ['/orders/7', '/orders/8', '/customers/3', '/orders', '/orders/21', '/customers/9', '/orders/30', '/orders/4'];
  const place = seed % every;
  const path = place === every - 1 ? '/orders/13' : place === every >> 1 ? '/orders/404' : paths[seed % paths.length] ?? '/orders';
  const method = path === '/orders' && seed % 3 === 0 ? 'POST' : 'GET';
  return fetch(`${base}${path}`, { method }).then((it) => it.text()).catch(() => '');
}
