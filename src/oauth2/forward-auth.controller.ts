import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { principalOf } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { DomainError } from '../kernel/failure.js';
import { Bare, type BareAnswer, type BareReply, type BareRequest } from '../kernel/http/bare.js';
import { ApiProblems } from '../kernel/http/document.js';
import { inputOf } from '../kernel/http/input.pipe.js';
import { ForwardAuthQuery, IDENTITY_HEADERS } from './forward-auth.dto.js';
import { toIdentityHeaders } from './forward-auth.mapper.js';

@ApiTags('OAuth 2.0')
@Controller('v1/forward-auth')
export class ForwardAuthController {
  @Get()
  @Bare()
  @RequirePermission('profile:read', { limitedCallers: true })
  @ApiOperation({
    summary: 'May this request pass? For nginx auth_request, Traefik ForwardAuth and Caddy forward_auth',
    description: 'Judges the credential of the request that the proxy forwards, as any route does: 401 without a live one, 403 without the permission. What it is of stands in the headers of the answer.',
  })
  @ApiQuery({ name: 'permission', required: false, example: 'invoice:write', description: 'What the credential must allow; left out, any live one passes.' })
  @ApiOkResponse({ description: 'It may. No body.', headers: IDENTITY_HEADERS })
  @ApiProblems(400, 401, 403)
  decide(request: BareRequest, reply: BareReply): BareAnswer {
    const { permission } = inputOf(ForwardAuthQuery, 'query', request.query);
    const principal = principalOf(request);
    if (permission !== undefined && !principal.permissions.has(permission)) {
      throw new DomainError('permission-missing', `This needs the permission ${permission}.`, { permissions: [permission] });
    }
    for (const [name, value] of toIdentityHeaders(principal)) reply.header(name, value);
    return null;
  }
}
