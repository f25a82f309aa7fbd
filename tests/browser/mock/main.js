// Runs the mock alone, with new requests all the time: `npm run mock`, `npm run mock fleet`.

import { demo, fleet, hostile, shop } from './data.js';
import { Mock } from './server.js';

const mock = await new Mock().listen();
({ fleet, hostile }[process.argv[2] ?? ''] ?? demo)(mock);
console.log(mock.url);
let seed = 0;
setInterval(() => shop(mock, seed++), 250);
