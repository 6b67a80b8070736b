import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { Public, RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { originOf } from '../kernel/http/request.js';
import { Limits } from '../kernel/http/route-limits.js';
import { requireCursor } from '../kernel/page.js';
import { InvitationAcceptance } from './invitation-acceptance.service.js';
import { AcceptInvitation, CreatedInvitation, CreateInvitation, InvitationPage, JoinedMember, type InvitationResource } from './invitations.dto.js';
import { InvitationsService, type InvitationView } from './invitations.service.js';
import { toMember } from './members.mapper.js';

@ApiTags('Members')
@Controller('v1/invitations')
export class InvitationsController {
  constructor(
    private readonly invitations: InvitationsService,
    private readonly acceptance: InvitationAcceptance,
  ) {}

  @Get()
  @RequirePermission('invitation:read')
  @ApiOperation({ summary: 'Invitations that are neither accepted nor withdrawn, newest first' })
  @ApiOkResponse({ description: 'A page of invitations.', type: InvitationPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<InvitationPage> {
    const { entries, nextCursor } = await this.invitations.list(principal, limitOf(query), requireCursor(query.cursor));
    return { data: entries.map(toInvitation), next_cursor: nextCursor };
  }

  @Post()
  @RequirePermission('invitation:write')
  @ApiOperation({
    summary: 'Invite somebody',
    description: 'Good for a week and for one person. Where a mail server is configured the link is mailed to them; otherwise hand on the link or the token. A second invitation to the same address takes the place of the first. Only a person can invite, and the invitation dies with what that person may do.',
  })
  @ApiCreatedResponse({ description: 'The invitation, and its token this once.', type: CreatedInvitation })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async create(@CurrentPrincipal() principal: Principal, @Body() { email, role }: CreateInvitation): Promise<CreatedInvitation> {
    const { invitation, secret, link } = await this.invitations.create(principal, { email, role });
    return { ...toInvitation(invitation), token: secret, link };
  }

  @Post('accept')
  @Public()
  @Limits({ requestsPerMinute: 600 })
  @ApiOperation({
    summary: 'Become a member',
    description: 'With the token of an invitation. Who has an account under the invited address shows its password; who has none sets one.',
  })
  @ApiCreatedResponse({ description: 'The new member; log in to go on.', type: JoinedMember })
  @ApiProblems(400, 401, 409, 413, 415, 429)
  async accept(@Body() { token, name, password }: AcceptInvitation, @Req() request: FastifyRequest): Promise<JoinedMember> {
    const { member, organization } = await this.acceptance.accept({ token, name, password }, originOf(request));
    return { ...toMember(member), organization: { id: organization.id, slug: organization.slug, name: organization.name } };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('invitation:write')
  @ApiOperation({ summary: 'Withdraw an invitation', description: 'Its token is worth nothing from now on.' })
  @ApiNoContentResponse({ description: 'The invitation is withdrawn.' })
  @ApiProblems(401, 403, 404)
  async revoke(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.invitations.revoke(principal, id);
  }
}

function toInvitation({ id, email, role, invitedBy, createdAt, expiresAt }: InvitationView): InvitationResource {
  return { id, email, role, invited_by: invitedBy, created_at: createdAt.toRfc3339(), expires_at: expiresAt.toRfc3339() };
}
