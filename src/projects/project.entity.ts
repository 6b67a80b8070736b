import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

/** One that is deleted stays known to its tokens; nothing else finds it, and its key and name are free. */
@Entity('projects')
export class Project {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('text') key!: string;
  @Column('text') name!: string;
  /** The name as it is compared. */
  @Column('text') nameFolded!: string;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
  @Column('timestamptz', { nullable: true }) deletedAt!: Instant | null;
}

/** Deleted, like a project, without being forgotten; at the latest when its project is. */
@Entity('environments')
export class Environment {
  @Column('uuid') organizationId!: string;
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') projectId!: string;
  @Column('text') key!: string;
  @Column('text') name!: string;
  /** The name as it is compared. */
  @Column('text') nameFolded!: string;
  @Column('timestamptz') createdAt!: Instant;
  @Column('timestamptz') updatedAt!: Instant;
  @Column('timestamptz', { nullable: true }) deletedAt!: Instant | null;
}
