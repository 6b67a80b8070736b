import { LRUCache } from 'lru-cache';
import type { Door } from './door.js';

interface DoorPath {
  readonly segments: readonly string[];
  readonly door: Door;
}

/** Finds the door a path belongs to, in whole segments, the longest prefix first. */
export class Doors {
  private readonly paths: readonly DoorPath[];
  private readonly known = new LRUCache<string, Door>({ max: 1_000 });

  constructor(
    doors: readonly Door[],
    private readonly fallback: Door,
  ) {
    this.paths = doors
      .flatMap((door) => door.paths.map((path) => ({ segments: toSegments(path), door })))
      .sort((left, right) => right.segments.length - left.segments.length);
  }

  at(path: string): Door {
    let door = this.known.get(path);
    if (!door) {
      door = this.find(path);
      this.known.set(path, door);
    }
    return door;
  }

  private find(path: string): Door {
    const segments = toSegments(path);
    const fits = (prefix: DoorPath): boolean =>
      prefix.segments.every((segment, index) => segments[index] !== undefined && (segment === ':any' || segment === segments[index]));
    return this.paths.find(fits)?.door ?? this.fallback;
  }
}

function toSegments(path: string): readonly string[] {
  return path.toLowerCase().split('/').filter((segment) => segment !== '');
}
