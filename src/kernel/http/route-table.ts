import type { FastifyInstance } from 'fastify';

export interface Route {
  readonly method: string;
  readonly path: string;
}

/** Every route the server answers, as it was registered. */
export class RouteTable {
  private readonly known: Route[] = [];

  watch(server: FastifyInstance): void {
    server.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) this.known.push({ method: each, path: url });
    });
  }

  get routes(): readonly Route[] {
    return this.known;
  }

  /** Methods answered at this path; empty where nothing is. */
  methodsAt(path: string): readonly string[] {
    const segments = toSegments(path);
    const fits = (route: Route): boolean => {
      const pattern = toSegments(route.path);
      if (pattern.includes('*')) return false;
      return pattern.length === segments.length && pattern.every((part, index) => part.startsWith(':') || part === segments[index]);
    };
    return [...new Set(this.known.filter(fits).map(({ method }) => method))];
  }
}

function toSegments(path: string): readonly string[] {
  return path.split('/').filter((segment) => segment !== '');
}
