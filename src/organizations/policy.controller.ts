import { Body, Controller, Get, Headers, Patch, Put, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { entityTagOf, namesTag } from '../kernel/http/entity-tag.js';
import type { Policy } from '../tokens/policy.js';
import { PoliciesService, type PolicyView } from './policies.service.js';
import { ChangePolicy, PolicyResource } from './policy.dto.js';
import { toPolicy, toResource } from './policy.mapper.js';

const ETAG = { ETag: { description: 'Names this state of the policy and of what binds beside it, for If-Match.', schema: { type: 'string' } } };
const IF_MATCH = { name: 'If-Match', required: false, description: 'ETag of the policy as it was read; where it has changed since, nothing is done.' };

@ApiTags('Policy')
@Controller('v1/policy')
export class PolicyController {
  constructor(private readonly policies: PoliciesService) {}

  @Get()
  @RequirePermission('policy:read')
  @ApiOperation({ summary: 'What tokens of the organization may be', description: 'Its own policy, and in `effective` what binds its tokens together with the policies of the platform and of a parent organization.' })
  @ApiOkResponse({ description: 'The policy.', type: PolicyResource, headers: ETAG })
  @ApiProblems(401, 403)
  async get(@CurrentPrincipal() principal: Principal, @Res({ passthrough: true }) reply: FastifyReply): Promise<PolicyResource> {
    return tagged(reply, await this.policies.get(principal));
  }

  @Put()
  @RequirePermission('policy:write')
  @ApiHeader(IF_MATCH)
  @ApiOperation({
    summary: 'Set the policy',
    description: 'What is left out is not limited. In force at once, for tokens that exist too: those it forbids are blocked, and work again once it allows them. The policy of the platform’s own organization binds every organization, and takes `platform:policy:write` as well.',
  })
  @ApiOkResponse({ description: 'The policy as it is now.', type: PolicyResource, headers: ETAG })
  @ApiProblems(400, 401, 403, 412, 413, 415)
  async replace(
    @CurrentPrincipal() principal: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body: ChangePolicy,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PolicyResource> {
    return this.change(principal, ifMatch, () => toPolicy(body), reply);
  }

  @Patch()
  @RequirePermission('policy:write')
  @ApiHeader(IF_MATCH)
  @ApiOperation({ summary: 'Change the policy', description: 'What is left out stays, of `longest_lifetime_seconds` every kind by itself. Otherwise as PUT.' })
  @ApiOkResponse({ description: 'The policy as it is now.', type: PolicyResource, headers: ETAG })
  @ApiProblems(400, 401, 403, 412, 413, 415)
  async update(
    @CurrentPrincipal() principal: Principal,
    @Headers('if-match') ifMatch: string | undefined,
    @Body() body: ChangePolicy,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PolicyResource> {
    return this.change(principal, ifMatch, (current) => toPolicy(body, current), reply);
  }

  private async change(principal: Principal, ifMatch: string | undefined, change: (current: Policy) => Policy, reply: FastifyReply): Promise<PolicyResource> {
    return tagged(reply, await this.policies.change(principal, change, (view) => namesTag(ifMatch, entityTagOf(toResource(view)))));
  }
}

function tagged(reply: FastifyReply, view: PolicyView): PolicyResource {
  const resource = toResource(view);
  reply.header('etag', entityTagOf(resource));
  return resource;
}
