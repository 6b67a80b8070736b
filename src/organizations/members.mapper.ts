import type { MemberResource } from './members.dto.js';
import type { MemberView } from './members.service.js';

export function toMember({ id, userId, email, name, role, status }: MemberView): MemberResource {
  return { id, user_id: userId, email, name, role, status };
}
