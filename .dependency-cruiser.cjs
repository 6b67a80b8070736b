// Each folder may import only from the folders listed before it. Read top to bottom.
const layers = [
  'kernel',
  'audit',
  'tokens',
  'access',
  'idempotency',
  'users',
  'projects',
  'organizations',
  'credentials',
  'machine-identities',
  'auth-methods',
  'oauth2',
  'inventory',
  'import',
  'audit-trail',
  'notices',
  'operations',
];
const features = layers.slice(layers.indexOf('users')).join('|');

module.exports = {
  forbidden: [
    ...layers.map((layer, depth) => ({
      name: `${layer}-imports-only-downwards`,
      severity: 'error',
      from: { path: `^src/${layer}/` },
      to: { path: `^src/(${[...layers.slice(depth + 1).map((above) => `${above}/`), '[^/]+\\.ts$'].join('|')})` },
    })),
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'doors-are-private',
      severity: 'error',
      comment: 'Only doors.ts and a feature’s own module know a door.',
      from: { path: '^src/([^/]+)/', pathNot: '^src/doors\\.ts$' },
      to: { path: '^src/[^/]+/door/', pathNot: '^src/$1/door/' },
    },
    {
      name: 'nothing-behind-the-door-knows-it',
      severity: 'error',
      from: { path: `^src/(${features})/[^/]+\\.ts$`, pathNot: '\\.module\\.ts$' },
      to: { path: '^src/[^/]+/door/' },
    },
    {
      name: 'engine-speaks-no-http',
      severity: 'error',
      from: { path: '^src/(tokens|audit)/' },
      to: { path: 'node_modules/(@nestjs/(swagger|platform-fastify)|fastify|class-validator|class-transformer)/' },
    },
    {
      name: 'engine-knows-no-http-kernel',
      severity: 'error',
      from: { path: '^src/(tokens|audit)/' },
      to: { path: '^src/kernel/http/' },
    },
    {
      name: 'door-goes-through-services',
      severity: 'error',
      from: { path: '^src/[^/]+/door/' },
      to: { path: ['node_modules/(typeorm|@nestjs/typeorm|pg)/', '\\.entity\\.ts$', '\\.repository\\.ts$'] },
    },
    {
      name: 'entities-stay-home',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '\\.entity\\.ts$', pathNot: '^src/$1/' },
    },
    {
      name: 'product-needs-no-development-packages',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.spec\\.ts$' },
  },
};
