import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Public } from '../access/require-permission.js';
import { Database } from '../kernel/database/database.js';
import { ApiProblems } from '../kernel/http/document.js';

export class Health {
  @ApiProperty({ example: 'ok' })
  status!: 'ok';
}

@ApiTags('Operations')
@Controller('health')
export class HealthController {
  constructor(private readonly database: Database) {}

  @Get('live')
  @Public()
  @ApiOperation({ summary: 'The process runs' })
  @ApiOkResponse({ description: 'It does.', type: Health })
  @ApiProblems()
  live(): Health {
    return { status: 'ok' };
  }

  @Get('ready')
  @Public()
  @ApiOperation({ summary: 'The service can serve: its database answers' })
  @ApiOkResponse({ description: 'It can.', type: Health })
  @ApiProblems()
  async ready(): Promise<Health> {
    await this.database.query('SELECT 1');
    return { status: 'ok' };
  }
}
