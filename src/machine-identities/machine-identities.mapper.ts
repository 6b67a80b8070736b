import type { Page } from '../kernel/page.js';
import type { CreateMachineIdentity, MachineIdentityPage, MachineIdentityResource, UpdateMachineIdentity } from './machine-identities.dto.js';
import type { IdentityView, NewIdentity } from './machine-identities.service.js';

export function toNewMachineIdentity({ name, role = null, delete_protected: deleteProtected = false }: CreateMachineIdentity): NewIdentity {
  return { name, roleKey: role, deleteProtected, metadata: [] };
}

export function toMachineIdentityChange({ name, role, delete_protected: deleteProtected }: UpdateMachineIdentity): Partial<NewIdentity> {
  return { name, roleKey: role, deleteProtected };
}

export function toMachineIdentity({ id, name, role, deleteProtected, methods, lastLoginAt, createdAt, updatedAt }: IdentityView): MachineIdentityResource {
  return {
    id,
    name,
    role: role?.key ?? null,
    delete_protected: deleteProtected,
    login_methods: [...methods],
    last_login_at: lastLoginAt?.toRfc3339() ?? null,
    created_at: createdAt.toRfc3339(),
    updated_at: updatedAt.toRfc3339(),
  };
}

export function toMachineIdentityPage({ entries, nextCursor }: Page<IdentityView>): MachineIdentityPage {
  return { data: entries.map(toMachineIdentity), next_cursor: nextCursor };
}
