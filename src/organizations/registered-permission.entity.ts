import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Instant } from '../kernel/instant.js';

/** A permission of the operator's own product; of the installation, not of a tenant. */
@Entity('registered_permissions')
export class RegisteredPermission {
  @PrimaryColumn('text') key!: string;
  @Column('text') description!: string;
  @Column('timestamptz') createdAt!: Instant;
  @Column('uuid') createdBy!: string;
}
