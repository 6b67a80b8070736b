import { fail, startGatehouse } from './start.js';

startGatehouse(process.env).catch(fail);
