import { hostname } from 'node:os';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { AccessGuard } from './access/access.guard.js';
import { refuseAtSight } from './access/refusal-at-sight.js';
import { AppModule, openDoors, type Foundations } from './app.module.js';
import { serveBareRoutes } from './bare-routes.js';
import { Background } from './kernel/background.js';
import { Clock } from './kernel/clock.js';
import { CREATIONS_PER_MINUTE, TOKEN_RETENTION_DAYS, type Config } from './kernel/config.js';
import { isolationFaults } from './kernel/database/isolation-check.js';
import type { OpenDatabase } from './kernel/database/open-database.js';
import { serverFaults } from './kernel/database/server-check.js';
import type { AnswerFailure } from './kernel/http/bare.js';
import { answerBroken } from './kernel/http/broken-requests.js';
import { DialectFilter } from './kernel/http/dialect.filter.js';
import { FailureWitness } from './kernel/http/failure-witness.js';
import { DirectLane } from './kernel/http/direct-lane.js';
import { prepareIntake } from './kernel/http/intake.js';
import { NestLog } from './kernel/http/nest-log.js';
import { newRequestId } from './kernel/http/request.js';
import { logRequests } from './kernel/http/request-log.js';
import { keepLimits, PATH_PART_LENGTH_MAX } from './kernel/http/route-limits.js';
import { RouteTable } from './kernel/http/route-table.js';
import { WholeResponse } from './kernel/http/whole-response.js';
import { KeyRing } from './kernel/key-ring.js';
import { CreationQuota } from './kernel/limits/creation-quota.js';
import { LocalWindows } from './kernel/limits/local-windows.js';
import { RateLimits } from './kernel/limits/rate-limits.js';
import { SharedWindows } from './kernel/limits/shared-windows.js';
import { Mailer } from './kernel/mail/mailer.js';
import { OutgoingAddresses } from './kernel/outgoing-addresses.js';
import { PublicUrl } from './kernel/public-url.js';
import { Retention } from './kernel/retention.js';
import { serveDocument } from './openapi.js';

export interface ApplicationParts {
  readonly config: Pick<Config, 'logLevel' | 'publicUrl' | 'trustedProxies'> & Partial<Pick<Config, 'creationsPerMinute' | 'mail' | 'redisUrl' | 'tokenRetentionDays' | 'webhookAllowedAddresses'>>;
  readonly secretKeys: readonly string[];
  readonly database: OpenDatabase;
  readonly clock?: Clock;
  /** Which of several processes on this machine it is; each line of the log says so. */
  readonly worker?: number;
  /** Where log lines go; standard output where left out. */
  readonly logTo?: NodeJS.WritableStream;
  /** False keeps upkeep and deliveries from running by themselves: a test asks for them, at the time that it has set. */
  readonly background?: boolean;
}

/** Lines go out together, after a quarter of a second at the latest and when the process exits: each for itself costs as much as a small answer. */
function logToOutput(): NodeJS.WritableStream {
  return pino.destination({ dest: 1, minLength: 8_192, periodicFlush: 250, sync: false }) as unknown as NodeJS.WritableStream;
}

/** Answers of bare routes go without the headers that only browsers heed. */
function spareHeaders(adapter: FastifyAdapter): void {
  const register = adapter.registerSecurityHook.bind(adapter);
  adapter.registerSecurityHook = (hook) => register((request: FastifyRequest, response) => (request.routeOptions.config.bare ? undefined : hook(request, response)));
}

/** The whole application, ready to listen or to be asked in-process. Refuses a database that would not keep tenants apart, or might lose what it confirms. */
export async function createApplication({ config, secretKeys, database, clock = new Clock(), worker, logTo, background = true }: ApplicationParts): Promise<NestFastifyApplication> {
  const windows = new LocalWindows(clock);
  const sharedWindows = await SharedWindows.open(config.redisUrl ?? null, windows);
  const limits = new RateLimits(windows, sharedWindows);
  const foundations: Foundations = {
    database,
    keys: new KeyRing(secretKeys),
    publicUrl: new PublicUrl(config.publicUrl),
    mailer: new Mailer(config.mail ?? null),
    clock,
    routes: new RouteTable(),
    doors: openDoors(),
    retention: new Retention(config.tokenRetentionDays ?? TOKEN_RETENTION_DAYS),
    outgoing: new OutgoingAddresses(config.webhookAllowedAddresses ?? []),
    background: new Background(background),
    limits,
    sharedWindows,
    creations: new CreationQuota(config.creationsPerMinute ?? CREATIONS_PER_MINUTE),
  };
  let filter: DialectFilter | null = null;
  const adapter = new FastifyAdapter({
    // There is no middleware, and looking for it would be done at every request.
    skipMiddie: true,
    http: { ServerResponse: WholeResponse },
    genReqId: newRequestId,
    trustProxy: config.trustedProxies.length > 0 ? [...config.trustedProxies] : false,
    logger: { level: config.logLevel, ...(worker !== undefined && { base: { pid: process.pid, hostname: hostname(), worker } }), stream: logTo ?? logToOutput() },
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: PATH_PART_LENGTH_MAX },
    clientErrorHandler: answerBroken,
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => filter?.answer(error, request, reply),
  });
  const server: FastifyInstance = adapter.getInstance();
  spareHeaders(adapter);
  foundations.routes.watch(server);
  prepareIntake(server, foundations.doors);
  const noteFailure = logRequests(server, clock);
  keepLimits(server, limits);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.on(foundations), adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLog(server.log),
  });
  const answer: AnswerFailure = (error, request, reply) => filter?.answer(error, request, reply);
  const lane = new DirectLane(config.trustedProxies, { answer, note: noteFailure });
  serveBareRoutes(server, app, lane, answer);
  server.addHook('preClose', (done) => {
    lane.close();
    done();
  });
  refuseAtSight(server, app.get(AccessGuard), answer);
  app.useSecurityHeaders({
    contentSecurityPolicy: {
      directives: {
        frameAncestors: "'none'",
        // The page is read over plain HTTP too, on a developer's machine.
        upgradeInsecureRequests: null,
        fontSrc: ["'self'", 'data:'],
        styleSrc: ["'self'", "'unsafe-inline'"],
      },
    },
    xFrameOptions: { action: 'deny' },
  });
  filter = new DialectFilter(foundations.doors, foundations.routes, app.get(FailureWitness));
  try {
    serveDocument(app);
    await app.init();
    await server.ready();
    lane.enter(server.server);
    const dataSource = app.get(DataSource);
    // The embedded one shares this machine's clock, and is for trying out.
    const faults = [...(await isolationFaults(dataSource)), ...(database.embedded ? [] : await serverFaults(dataSource, clock))];
    if (faults.length > 0) throw new Error(`The database is not fit for tenants:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}
