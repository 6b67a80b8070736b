import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf, PageQuery } from '../kernel/http/page-query.js';
import { requireCursor } from '../kernel/page.js';
import { MemberPage, MemberResource, UpdateMember } from './members.dto.js';
import { toMember } from './members.mapper.js';
import { MembersService } from './members.service.js';

@ApiTags('Members')
@Controller('v1/members')
export class MembersController {
  constructor(private readonly members: MembersService) {}

  @Get()
  @RequirePermission('member:read')
  @ApiOperation({ summary: 'The members of the organization, in the order they joined' })
  @ApiOkResponse({ description: 'A page of members.', type: MemberPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: PageQuery): Promise<MemberPage> {
    const { entries, nextCursor } = await this.members.list(principal, limitOf(query), requireCursor(query.cursor));
    return { data: entries.map(toMember), next_cursor: nextCursor };
  }

  @Get(':id')
  @RequirePermission('member:read')
  @ApiOperation({ summary: 'One member' })
  @ApiOkResponse({ description: 'The member.', type: MemberResource })
  @ApiProblems(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<MemberResource> {
    return toMember(await this.members.get(principal, id));
  }

  @Patch(':id')
  @RequirePermission('member:write')
  @ApiOperation({
    summary: 'Give a member another role, disable or enable them',
    description: 'What is left out stays. In force at once, for the person and their tokens. Who is disabled is logged out, and their tokens wait until they are enabled. You must hold all that the role before and the role after allow. The last administrator stays one.',
  })
  @ApiOkResponse({ description: 'The member as it is now.', type: MemberResource })
  @ApiProblems(400, 401, 403, 404, 409, 413, 415)
  async update(@CurrentPrincipal() principal: Principal, @Param('id') id: string, @Body() { role, status }: UpdateMember): Promise<MemberResource> {
    return toMember(await this.members.update(principal, id, { role, status }));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('member:write')
  @ApiOperation({ summary: 'Remove a member', description: 'Their sessions and tokens here end for good; whoever is invited again begins afresh. The last administrator stays.' })
  @ApiNoContentResponse({ description: 'The person is no member any more.' })
  @ApiProblems(401, 403, 404, 409)
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    await this.members.remove(principal, id);
  }
}
